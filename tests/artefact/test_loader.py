"""Which library the model card names, and what becomes of a name that is not true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dianji import verbs
from dianji.artefact.loader import Loader, loader_of, use
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.tasks.base import TaskModel
from dianji.tasks.causal_language import CausalLanguage
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.testing import families, toys
from dianji.testing.layouts import LAYOUTS


def made(task: Any, base: Any) -> tuple[Any, TaskModel]:
    table = toys.image_table() if task.modality == "image" else toys.text_table()
    fitted = task.fit(table)
    return fitted, fitted.model(base)


def by(class_name: str, tag: str) -> Loader:
    return Loader("transformers", class_name, tag)


@pytest.mark.parametrize(
    ("task", "base", "expected"),
    [
        (TextClassification(), toys.text_base, Loader("sentence-transformers")),
        (TextClassification(), families.bert, by("BertForSequenceClassification", "text-classification")),
        (MaskedLanguage(), toys.text_base, by("BertForMaskedLM", "fill-mask")),
        (CausalLanguage(), families.gpt2, by("GPT2LMHeadModel", "text-generation")),
        (ImageClassification(), families.resnet, by("ResNetForImageClassification", "image-classification")),
    ],
)
def test_what_opens_a_folder(task: Any, base: Any, expected: Loader) -> None:
    assert loader_of(*made(task, base())) == expected


def test_an_architecture_of_our_own_is_opened_by_dianji_alone() -> None:
    from dianji.bases.scratch import ScratchBase
    from dianji.bases.text.lstm import Lstm

    base = ScratchBase(Lstm(width=16, length=32), seed=0).prepare(toys.text_table())
    assert loader_of(*made(MaskedLanguage(), base)) == Loader("dianji")


@pytest.mark.parametrize(
    ("loader", "line"),
    [
        (Loader("transformers", "BertForMaskedLM", "fill-mask"), 'pipeline("fill-mask", model="FOLDER")(["…"])'),
        (Loader("transformers", "BertForMaskedLM"), 'BertForMaskedLM.from_pretrained("FOLDER")'),
        (Loader("sentence-transformers"), 'SentenceTransformer("FOLDER").encode'),
        (Loader("dianji"), "No other library opens this folder"),
    ],
)
def test_the_card_shows_how(loader: Loader, line: str) -> None:
    told = "\n".join(use(loader, TextClassification()))
    assert 'dianji predict FOLDER --text "…"' in told
    assert line in told


def test_what_is_not_true_is_not_advertised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that this is about: a pooled classifier under the name of transformers' own one."""
    claimed = Loader("transformers", "BertForSequenceClassification", "text-classification")
    monkeypatch.setattr("dianji.artefact.save.loader_of", lambda task, made: claimed)
    written = LAYOUTS[0].write(toys.text_table(), tmp_path)
    base = families.write(toys.text_base(), tmp_path / "base")
    stage = {"task": "text-classification", "data": "rows", "train": {"steps": 1}}
    recipe = {"name": "toy", "base": str(base), "data": {"rows": dict(written.section)}, "stages": {"s": stage}}
    artefact = verbs.run(Recipe.parse(recipe), store=Store(tmp_path / "home")).stages[-1].artefact
    front = yaml.safe_load((artefact / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert front["library_name"] == "dianji"
    assert "pipeline_tag" not in front
    assert json.loads((artefact / "dianji.json").read_text(encoding="utf-8"))["loader"] == Loader().to_json()
    assert verbs.verify(artefact, store=Store(tmp_path / "home")).ok
