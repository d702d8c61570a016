"""Baselines: what each learns, through the task contract they ask for."""

import csv
import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from dianji.errors import RecipeError
from dianji.evaluate.labelled import Classified, Labelled, Tagged
from dianji.registry import REGISTRY

TEXTS = ["where is my card", "card please", "my money is late", "late money", "card", "money"]
LABELS = ("card", "money", "never seen")
ONE = np.array([0, 0, 1, 1, 0, 1])
SEVERAL = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]], dtype=bool)
PIXELS = np.random.default_rng(0).integers(0, 60, size=(6, 48), dtype=np.uint8) + (ONE[:, None] * 180).astype(np.uint8)
NAMES = ("majority", "tfidf-logistic-regression", "pixels-logistic-regression")


@dataclass
class Given:
    """Rows are numbers into what is given here."""

    inputs: list[str] | np.ndarray
    targets: np.ndarray
    labels: tuple[str, ...] = LABELS
    threshold: float = 0.5

    def table(self) -> pa.Table:
        return pa.table({"row": np.arange(len(self.targets))})

    def baseline_inputs(self, table: pa.Table) -> list[str] | np.ndarray:
        rows = table["row"].to_pylist()
        return [self.inputs[row] for row in rows] if isinstance(self.inputs, list) else self.inputs[rows]

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        return np.asarray(self.targets[table["row"].to_numpy()])

    def baseline_outcome(self, table: pa.Table, probabilities: np.ndarray) -> Labelled:
        if self.targets.ndim == 1:
            return Classified(self.labels, self.baseline_targets(table), probabilities)
        return Tagged(self.labels, self.baseline_targets(table), probabilities, self.threshold)


def said_by(name, targets, inputs=None, seed=0):
    """Probabilities of the training rows."""
    task = Given((PIXELS if name.startswith("pixels") else TEXTS) if inputs is None else inputs, targets)
    return REGISTRY.build("baseline", name, {}).fit(task, task.table(), seed)(task.table()).probabilities


def test_majority_says_the_shares_of_training():
    np.testing.assert_allclose(said_by("majority", np.array([0, 0, 0, 1, 0, 1])), [[4 / 6, 2 / 6, 0]] * 6)
    np.testing.assert_allclose(said_by("majority", SEVERAL), [[3 / 6, 4 / 6, 0]] * 6)


@pytest.mark.parametrize("name", ["tfidf-logistic-regression", "pixels-logistic-regression"])
def test_learns_what_separates_the_labels(name):
    said = said_by(name, ONE)
    assert said.argmax(axis=1).tolist() == ONE.tolist()
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    assert (said[:, 2] == 0).all(), "a label without rows has no chance"


@pytest.mark.parametrize("name", NAMES)
def test_several_labels_have_chances_of_their_own(name):
    said = said_by(name, SEVERAL)
    assert said.shape == (6, 3)
    assert ((said >= 0) & (said <= 1)).all()
    assert (said[:, 2] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_label_only_is_always_said(name):
    np.testing.assert_allclose(said_by(name, np.ones(6, dtype=np.int64)), np.tile([0.0, 1.0, 0.0], (6, 1)))


def test_the_threshold_of_the_task_is_honoured():
    task = Given(TEXTS, SEVERAL, threshold=0.6)
    outcome = REGISTRY.build("baseline", "majority", {}).fit(task, task.table(), 0)(task.table())
    assert outcome.given().tolist() == [[False, True, False]] * 6


def test_chinese_needs_no_spaces():
    texts = ["我的银行卡丢了", "卡在哪里", "转账失败了", "为什么转账没有到", "银行卡", "转账", "卡呢", "转账呢"]
    task = Given(texts, np.array([0, 0, 1, 1, 0, 1, 0, 1]))
    answer = REGISTRY.build("baseline", "tfidf-logistic-regression", {}).fit(task, task.table().slice(0, 6), 0)
    assert answer(task.table().slice(6)).given().tolist() == [0, 1]


def test_bytes_and_fractions_are_the_same_pixels():
    as_bytes = said_by("pixels-logistic-regression", ONE)
    as_fractions = said_by("pixels-logistic-regression", ONE, PIXELS.astype(np.float32) / 255)
    np.testing.assert_allclose(as_bytes, as_fractions, atol=1e-6)


def test_learns_from_at_most_so_many_pictures(monkeypatch):
    monkeypatch.setattr("dianji.evaluate.baselines.pixels.MOST_PICTURES", 4)
    many = {seed: said_by("pixels-logistic-regression", ONE, seed=seed) for seed in range(4)}
    np.testing.assert_array_equal(many[0], said_by("pixels-logistic-regression", ONE))
    assert len({said.tobytes() for said in many.values()}) > 1


def test_an_unknown_name_is_a_fault_of_the_recipe():
    with pytest.raises(RecipeError, match="Did you mean 'majority'"):
        REGISTRY.build("baseline", "majorty", {})


@pytest.mark.real
@pytest.mark.slow
def test_banking77_is_learnt_well_and_fast(data_root):
    def read(split):
        with (data_root / "banking77" / "banking_data" / f"{split}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [row["text"] for row in rows], [row["category"] for row in rows]

    (texts, names), (questions, truth) = read("train"), read("test")
    labels = tuple(sorted(set(names)))
    task = Given([*texts, *questions], np.array([labels.index(name) for name in [*names, *truth]]), labels)
    began = time.process_time()
    baseline = REGISTRY.build("baseline", "tfidf-logistic-regression", {})
    outcome = baseline.fit(task, task.table().slice(0, len(texts)), 0)(task.table().slice(len(texts)))
    assert time.process_time() - began < 60
    assert outcome.right().mean() > 0.90
