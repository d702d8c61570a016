"""``report``: where it is written, and what is refused."""

import pytest

from dianji import verbs
from dianji.errors import ArtefactError, CapabilityError, RecipeError, StoreError
from dianji.pipeline.compare import digest_of
from dianji.pipeline.comparison_plan import plan_comparison
from dianji.spec.sections import Recipe
from dianji.store.atomic import write_json
from dianji.store.steps import Store
from tests.report.made import comparison
from tests.report.page import Found
from tests.report.toy import texts

COMPARING = """
name: desk
base: {new: transformer, layers: 1, width: 16, heads: 2, length: 16, vocabulary: 60}
data:
  intents: {path: questions.csv, columns: {text: query, label: intent}}
stages:
  intent: {task: text-classification, data: intents}
compare: [intent, {stage: intent, adapt: frozen}]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_page_is_named_after_recipe_and_stage(folder, tmp_path):
    found = verbs.report(folder)
    assert found.report.name == "desk-intent.html"
    assert found.files == (found.report,)
    assert Found((tmp_path / found.report).read_text(encoding="utf-8")).faults == []
    assert found.to_json()["chapters"][0] == "What it is"


def test_language_and_format_are_chosen(folder, tmp_path):
    found = verbs.report(folder, out=tmp_path / "new" / "page.md", language="zh")
    assert found.report.read_text(encoding="utf-8").startswith("# desk: intent\n")
    assert found.chapters[0] == "这是什么"
    assert {path.parent.name for path in found.files[1:]} == {"page-pictures"}
    assert all(path.stat().st_size for path in found.files)


def test_writing_again_replaces_what_was_written(folder, tmp_path):
    first = verbs.report(folder, out="page.md")
    again = verbs.report(folder, out="page.md")
    assert first == again
    assert len(list((tmp_path / "page-pictures").iterdir())) == len(again.files) - 1


def test_a_folder_that_holds_something_else_is_not_replaced(folder, tmp_path):
    (tmp_path / "page-pictures").mkdir()
    (tmp_path / "page-pictures" / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"holiday\.jpg"):
        verbs.report(folder, out="page.md")
    assert (tmp_path / "page-pictures" / "holiday.jpg").exists()
    assert not (tmp_path / "page.md").exists()


def test_what_cannot_be_reported_on_is_refused(folder, tmp_path):
    with pytest.raises(ArtefactError, match="not an artefact"):
        verbs.report(tmp_path / "nothing")
    with pytest.raises(RecipeError, match="no such file"):
        verbs.report("nothing.yaml")
    with pytest.raises(StoreError, match="this is a folder"):
        verbs.report(folder, out=tmp_path)
    with pytest.raises(CapabilityError, match="language 'de'"):
        verbs.report(folder, language="de")
    with pytest.raises(CapabilityError, match="format 'pdf'"):
        verbs.report(folder, format="pdf")


def test_the_artefact_stays_as_it_was(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    verbs.report(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_comparison_is_found_without_any_finished_stage(tmp_path):
    texts(tmp_path / "questions.csv")
    path = tmp_path / "desk.yaml"
    path.write_text(COMPARING, encoding="utf-8")
    store = Store(tmp_path / "store")
    with pytest.raises(StoreError, match="none of its stages is finished"):
        verbs.report(path, store=store)
    kept = store.comparison(digest_of(plan_comparison(Recipe.load(path), store)))
    write_json(kept, comparison().to_json())
    found = verbs.report(path, store=store)
    assert found.chapters == ("Comparison",)
    page = Found(found.report.read_text(encoding="utf-8"))
    assert page.faults == []
    assert "Finished stages: 0. Not finished yet: intent." in page.text
    assert store.steps() == []

    kept.write_text("{}")
    with pytest.raises(StoreError, match="Run dianji compare again"):
        verbs.report(path, store=store)
