"""Paths in recipes: from the recipe's folder, with environment variables."""

from pathlib import Path

import pytest

from dianji.errors import RecipeError
from dianji.spec.places import file_path
from dianji.spec.sections import Recipe

TEXT = """\
name: x
base: {base}
data:
  one: {{path: {path}, format: {format}, split: {{test: {test}}}}}
stages:
  first: {{task: a, data: one, from: {start}}}
  second: {{task: a, data: one, from: first}}
"""


def load(folder: Path, base="minilm", path="a.csv", format="auto", test="0.1", start="minilm") -> Recipe:
    file = folder / "recipe.yaml"
    file.write_text(TEXT.format(base=base, path=path, format=format, test=test, start=start), encoding="utf-8")
    return Recipe.load(file)


def test_data_paths_start_at_the_recipe(tmp_path: Path):
    recipe = load(tmp_path, path="[a.csv, ../b/*.csv, /abs/c.csv]", test="sub/test.csv")
    assert recipe.data["one"].path == [str(tmp_path / "a.csv"), str(tmp_path.parent / "b/*.csv"), "/abs/c.csv"]
    assert recipe.data["one"].split.test == str(tmp_path / "sub/test.csv")


def test_a_relative_recipe_path_gives_absolute_data_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    load(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    assert Recipe.load(f"{tmp_path.name}/recipe.yaml").data["one"].path == str(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["minilm", "org/model", "first-of-all"])
def test_names_and_hub_ids_stay(tmp_path: Path, name: str):
    (tmp_path / "minilm").mkdir()  # a folder beside the recipe does not take a registered base's place
    recipe = load(tmp_path, base=name, start=name)
    assert recipe.base == name
    assert recipe.stages["first"].from_ == name


def test_folders_of_bases_start_at_the_recipe(tmp_path: Path):
    (tmp_path / "models/mine").mkdir(parents=True)
    recipe = load(tmp_path, base="models/mine", start="./other")
    assert recipe.base == str(tmp_path / "models/mine")
    assert recipe.stages["first"].from_ == str(tmp_path / "other")
    assert recipe.stages["second"].from_ == "first"


def test_a_hub_data_set_is_an_id_unless_the_folder_is_there(tmp_path: Path):
    assert load(tmp_path, path="org/set", format="hub").data["one"].path == "org/set"
    (tmp_path / "org/set").mkdir(parents=True)
    assert load(tmp_path, path="org/set", format="hub").data["one"].path == str(tmp_path / "org/set")


def test_urls_and_home_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert file_path("sqlite:///x.db", tmp_path) == "sqlite:///x.db"
    assert file_path("~/x.csv", Path("/elsewhere")) == str(tmp_path / "x.csv")


def test_a_glob_means_only_what_the_recipe_wrote(tmp_path: Path):
    folder = tmp_path / "odd[1]"
    assert file_path("*.csv", folder) == f"{tmp_path}/odd[[]1]/*.csv"
    assert file_path("a.csv", folder) == f"{folder}/a.csv"


def test_environment_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIANJI_TEST_DATA", "/data")
    monkeypatch.delenv("DIANJI_TEST_UNSET", raising=False)
    recipe = load(tmp_path, path='"${DIANJI_TEST_DATA}/a.csv"', test='"${DIANJI_TEST_UNSET:-../shared}/t.csv"')
    assert recipe.data["one"].path == "/data/a.csv"
    assert recipe.data["one"].split.test == str(tmp_path.parent / "shared/t.csv")


def test_an_unset_variable_is_a_fault_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DIANJI_TEST_UNSET", raising=False)
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, base="3", path='"${DIANJI_TEST_UNSET}/a.csv"')
    told = "\n".join(caught.value.faults)
    assert "line 4: data.one.path: the environment variable DIANJI_TEST_UNSET is not set and has no default." in told
    assert "line 2: base: a base is" in told
