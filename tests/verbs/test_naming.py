"""Columns by name: as in training unless something is said, and nothing is said in vain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dianji import verbs
from dianji.cli import invoke
from dianji.errors import DataError, RecipeError
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import families, toys

RECIPE = """
name: toy
base: {base}
data: {{rows: {{path: {file}, columns: {{text: body, label: kind}}, split: {{validation: 0.25, test: 0.25}}}}}}
stages:
  kind: {{task: text-classification, data: rows, train: {{steps: 1}}, evaluate: {{resamples: 100, baselines: false}}}}
"""
ROWS = toys.text_table().to_pylist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("naming")


@pytest.fixture(scope="module")
def file(folder: Path) -> Path:
    return written(folder / "rows.jsonl", [{"body": row["text"], "kind": row["label"]} for row in ROWS])


@pytest.fixture(scope="module")
def artefact(folder: Path, file: Path) -> Path:
    base = families.write(toys.text_base(), folder / "base")
    recipe = Recipe.parse(RECIPE.format(base=base, file=file))
    return verbs.run(recipe, store=Store(folder / "home")).stages[-1].artefact


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_names_of_training_are_known(artefact: Path, file: Path, folder: Path) -> None:
    assert json.loads((artefact / "dianji.json").read_text())["columns"] == {"text": "body", "label": "kind"}
    assert len(list(verbs.predict_file(artefact, str(file)))) == 24
    assert verbs.evaluate(artefact, str(file)).rows == 24
    found = verbs.verify(artefact, data=str(file), store=Store(folder / "home"))
    assert found.ok
    assert all(split.compared == split.rows for split in found.predictions)


def test_the_tasks_own_names_are_known_too(artefact: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "own.jsonl", ROWS)
    assert verbs.evaluate(artefact, str(file)).rows == 24


def test_an_explicit_name_goes_first(artefact: Path, tmp_path: Path) -> None:
    swapped = [{"body": "x", "kind": "cash", "query": row["text"], "gold": row["label"]} for row in ROWS]
    file = written(tmp_path / "both.jsonl", swapped)
    columns = {"text": "query", "label": "gold"}
    whole = verbs.evaluate(artefact, str(file), columns=columns)
    plain = verbs.evaluate(artefact, str(written(tmp_path / "own.jsonl", ROWS)))
    assert whole.metrics == plain.metrics
    (first, *_) = verbs.predict_file(artefact, str(file), columns={"text": "query"})
    assert first["text"] == ROWS[0]["text"]


@pytest.mark.parametrize(("columns", "hint"), [({"label": "knid"}, "kind"), ({"text": "bdoy"}, "body")])
def test_a_name_in_vain_is_refused(
    artefact: Path, file: Path, columns: dict[str, str], hint: str, folder: Path
) -> None:
    ((role, name),) = columns.items()
    told = rf"--column {role}={name}: rows.jsonl has no column '{name}'. Did you mean '{hint}'"
    with pytest.raises(DataError, match=told):
        verbs.evaluate(artefact, str(file), columns=columns)
    with pytest.raises(DataError, match=told):
        verbs.verify(artefact, data=str(file), columns=columns, store=Store(folder / "home"))
    if role == "text":
        with pytest.raises(DataError, match=told):
            list(verbs.predict_file(artefact, str(file), columns=columns))


def test_a_file_without_the_column_says_what_training_called_it(artefact: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "other.jsonl", [{"message": "hello"}])
    with pytest.raises(DataError, match=r"which its training data call 'body'; found: message \(text\)\. Name it with"):
        list(verbs.predict_file(artefact, str(file)))


def test_roles_must_be_known_and_read(artefact: Path, file: Path) -> None:
    with pytest.raises(RecipeError, match=r"--column txet: .*Did you mean 'text'"):
        verbs.evaluate(artefact, str(file), columns={"txet": "body"})
    with pytest.raises(RecipeError, match="--column label: predictions do not read 'label'"):
        list(verbs.predict_file(artefact, str(file), columns={"label": "kind"}))


def test_a_row_without_its_text_is_told(artefact: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "gap.jsonl", [{"body": "hello"}, {"note": "x"}, {"body": ""}])
    with pytest.raises(DataError, match=r"gap.jsonl, line 2: the text is missing \(column 'body'\)"):
        list(verbs.predict_file(artefact, str(file)))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "A", "--text", "hi", "--column", "text=body"], "--column names a column of FILE"),
        (["verify", "A", "--column", "text=body"], "--column needs --data"),
        (["evaluate", "A", "f.csv", "-c", "text=a", "-c", "text=b"], "--column text: given 2 times"),
    ],
)
def test_words_on_the_command_line_are_not_lost(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(arguments) == 2
    assert told in capsys.readouterr().err


def test_a_model_says_what_it_reads(artefact: Path) -> None:
    model = verbs.open(artefact)
    model.require_input("text")
    with pytest.raises(DataError, match=r"this model reads texts, not images\. Give a file or a folder"):
        model.require_input("image")


def test_an_encoding_that_is_named_is_the_one_that_is_read(artefact: Path, tmp_path: Path) -> None:
    """A file so short that no encoding is certain."""
    table = tmp_path / "rows.csv"
    table.write_bytes("body,kind\n卡丢了,card\n".encode("gb18030"))
    (row,) = verbs.predict_file(artefact, str(table), encoding="gb18030")
    assert row["text"] == "卡丢了"
    assert verbs.evaluate(artefact, str(table), encoding="gb18030").rows == 1
    with pytest.raises(DataError, match="is not UTF-8"):
        verbs.evaluate(artefact, str(table), encoding="utf-8")
    for asked in (
        lambda: next(verbs.predict_file(artefact, str(table), encoding="gb1830")),
        lambda: verbs.evaluate(artefact, str(table), encoding="gb1830"),
    ):
        with pytest.raises(RecipeError, match=r"encoding: expected auto, or a text encoding .* 'gb1830'"):
            asked()
