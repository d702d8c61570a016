"""Back to base and data, as far as artefacts are at hand."""

import dataclasses

import pytest

from dianji.artefact.manifest import Parent
from dianji.report.blocks import Items
from dianji.report.sections.lineage import LINEAGE
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks


@pytest.fixture
def child(subject, tmp_path):
    """An artefact in a store, made from another one there."""
    before, after = (tmp_path / "steps" / digest / "artefact" for digest in ("1" * 32, "2" * 32))
    for folder in (before, after):
        folder.mkdir(parents=True)
    dataclasses.replace(subject.manifest, stage="domain", digest="1" * 32).write(before)
    parents = [Parent("stage", "domain", "1" * 32)]
    dataclasses.replace(subject.manifest, parents=parents, digest="2" * 32).write(after)
    return Subject.open(after)


def tree(subject):
    return sure(Items, blocks(LINEAGE, subject)[1]).items[0]


def test_every_step_back_is_told(child):
    root = tree(child)
    assert root.text.en == f"stage intent ({'2' * 32})"
    data, before = root.items
    assert data.text.en.startswith("data intents (")
    assert before.text.zh == f"阶段 domain（{'1' * 32}）"
    assert before.items[-1].text.en == f"base minilm ({'b' * 32})"


def test_a_copy_finds_its_parents_in_the_usual_store(child, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    child.folder.rename(copy)
    assert "not at hand" in tree(Subject.open(copy)).items[1].text.en
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path))
    assert tree(Subject.open(copy)).items[1].items
