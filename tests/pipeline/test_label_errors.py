from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModel

from dianji.bases.base import Base, Card
from dianji.data.quality.report import gathered
from dianji.data.source import numbered, with_sources
from dianji.errors import DataError
from dianji.pipeline.features import frozen_features
from dianji.pipeline.label_errors import FOLDS, folds, label_errors, out_of_fold
from dianji.reporting import Silent
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys
from tests.data.helpers import LABELLED


@dataclasses.dataclass(frozen=True)
class Toy:
    """The toy base as a recipe would name it."""

    def card(self) -> Card:
        return toys.text_base().card

    def digest(self) -> str:
        return "toy"

    def prepare(self, table: pa.Table) -> Base:
        return toys.text_base()


def rows(*swapped: int):
    """Each question with its label, but for those at ``swapped``, which carry the next one."""
    table = pa.concat_tables([toys.text_table(), toys.text_table()])
    labels = table["label"].to_pylist()
    for row in swapped:
        labels[row] = toys.LABELS[(toys.LABELS.index(labels[row]) + 1) % len(toys.LABELS)]
    table = pa.table({"text": table["text"], "label": labels})
    return gathered({"train": with_sources(table, numbered("toy.csv", table.num_rows))}, LABELLED)


def test_swapped_labels_are_named_with_what_they_should_be():
    torch.manual_seed(0)  # draws the toy's features
    report = label_errors(rows(4, 30), "text", Toy(), Silent())
    assert report["looked_at"] == {"rows": 48, "of": 48}
    assert report["base"] == "toy-text"
    assert report["count"] == len(report["rows"]) <= 4
    found = {entry["row"]: (entry["label"], entry["suggested"]) for entry in report["rows"]}
    assert found["toy.csv, row 5"] == ("refund", "cash")
    assert found["toy.csv, row 31"] == ("cash", "card")
    assert all(entry["probability"] < entry["suggested_probability"] for entry in report["rows"])
    assert 0 < report["estimated_share"] < 0.2
    assert {"refund", "cash"} in [{pair["label"], pair["instead_of"]} for pair in report["confusions"]]


def test_labels_with_few_rows_are_left_out():
    table = rows().table
    kept = [label != "card" or row < 9 for row, label in enumerate(table["label"].to_pylist())]
    table = table.filter(pa.array(kept))
    report = label_errors(gathered({"train": table}, LABELLED), "text", Toy(), Silent())
    assert report["looked_at"] == {"rows": 32, "of": 35}


def test_one_label_is_not_enough():
    table = rows().table
    table = table.filter(pa.array([label == "card" for label in table["label"].to_pylist()]))
    with pytest.raises(DataError, match=f"at least two labels with {FOLDS} rows each, found 1"):
        label_errors(gathered({"train": table}, LABELLED), "text", Toy(), Silent())


def test_every_label_is_in_every_fold():
    labels = np.repeat([0, 1, 2], [5, 12, 31])
    found = folds(labels)
    counts = np.array([np.bincount(found[labels == label], minlength=FOLDS) for label in range(3)])
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()
    assert counts.min() == 1


def test_no_row_is_judged_by_a_regression_that_has_seen_it():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 400)), np.arange(60) % 2  # noise that 400 features learn by heart
    probabilities = out_of_fold(features, labels)
    assert probabilities.shape == (60, 2)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(60))
    assert (probabilities.argmax(axis=1) == labels).mean() < 0.75


def test_features_are_the_mean_of_the_last_hidden_states():
    base, table = toys.text_base(), toys.text_table()
    torch.manual_seed(3)
    features = frozen_features(TextClassification().fit(table), base, table, Silent())
    torch.manual_seed(3)
    backbone = base.load(AutoModel)
    for row in (0, 7, 23):
        encoded = base.processor([table["text"][row].as_py()], return_tensors="pt")
        with torch.inference_mode():
            alone = backbone(**encoded).last_hidden_state.mean(dim=1)
        assert features[row] == pytest.approx(alone[0].numpy(), abs=1e-5)


def test_features_of_images():
    table = toys.image_table()
    features = frozen_features(ImageClassification().fit(table), toys.image_base(), table, Silent())
    assert features.shape == (24, 16)
    assert np.isfinite(features).all()
