import csv
import time

import numpy as np
import pytest

from dianji.errors import RecipeError
from dianji.evaluate.baselines import BASELINES, fit_baseline

TEXTS = ["where is my card", "card please", "my money is late", "late money", "card", "money"]
LABELS = ("card", "money", "never seen")
ONE = np.array([0, 0, 1, 1, 0, 1])
SEVERAL = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]], dtype=bool)
PIXELS = np.random.default_rng(0).integers(0, 60, size=(6, 48), dtype=np.uint8) + (ONE[:, None] * 180).astype(np.uint8)


def inputs_of(name):
    return PIXELS if name.startswith("pixels") else TEXTS


def test_majority_says_the_shares_of_training():
    predict = fit_baseline("majority", TEXTS, np.array([0, 0, 0, 1, 0, 1]), LABELS, 0)
    np.testing.assert_allclose(predict(["anything", ""]), [[4 / 6, 2 / 6, 0]] * 2)
    predict = fit_baseline("majority", TEXTS, SEVERAL, LABELS, 0)
    np.testing.assert_allclose(predict(["anything"]), [[3 / 6, 4 / 6, 0]])


@pytest.mark.parametrize("name", ["tfidf-logistic-regression", "pixels-logistic-regression"])
def test_learns_what_separates_the_labels(name):
    said = fit_baseline(name, inputs_of(name), ONE, LABELS, 0)(inputs_of(name))
    assert said.argmax(axis=1).tolist() == ONE.tolist()
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    assert (said[:, 2] == 0).all(), "a label without rows has no chance"


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_several_labels_have_chances_of_their_own(name):
    said = fit_baseline(name, inputs_of(name), SEVERAL, LABELS, 0)(inputs_of(name))
    assert said.shape == (6, 3)
    assert ((said >= 0) & (said <= 1)).all()
    assert (said[:, 2] == 0).all()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_one_label_only_is_always_said(name):
    said = fit_baseline(name, inputs_of(name), np.ones(6, dtype=np.int64), LABELS, 0)(inputs_of(name))
    np.testing.assert_allclose(said, np.tile([0.0, 1.0, 0.0], (6, 1)))


def test_chinese_needs_no_spaces():
    texts = ["我的银行卡丢了", "卡在哪里", "转账失败了", "为什么转账没有到", "银行卡", "转账"]
    predict = fit_baseline("tfidf-logistic-regression", texts, ONE[[0, 1, 2, 3, 4, 5]], LABELS, 0)
    assert predict(["卡呢", "转账呢"]).argmax(axis=1).tolist() == [0, 1]


def test_bytes_and_fractions_are_the_same_pixels():
    as_bytes = fit_baseline("pixels-logistic-regression", PIXELS, ONE, LABELS, 0)(PIXELS)
    fractions = PIXELS.astype(np.float32) / 255
    as_fractions = fit_baseline("pixels-logistic-regression", fractions, ONE, LABELS, 0)(fractions)
    np.testing.assert_allclose(as_bytes, as_fractions, atol=1e-6)


def test_learns_from_at_most_so_many_pictures(monkeypatch):
    monkeypatch.setattr("dianji.evaluate.baselines.MOST_PICTURES", 4)
    many = {seed: fit_baseline("pixels-logistic-regression", PIXELS, ONE, LABELS, seed)(PIXELS) for seed in range(4)}
    again = fit_baseline("pixels-logistic-regression", PIXELS, ONE, LABELS, 0)(PIXELS)
    np.testing.assert_array_equal(many[0], again)
    assert len({said.tobytes() for said in many.values()}) > 1


def test_an_unknown_name_is_a_fault_of_the_recipe():
    with pytest.raises(RecipeError, match="Did you mean 'majority'"):
        fit_baseline("majorty", TEXTS, ONE, LABELS, 0)


@pytest.mark.real
@pytest.mark.slow
def test_banking77_is_learnt_well_and_fast(data_root):
    def read(split):
        with (data_root / "banking77" / "banking_data" / f"{split}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [row["text"] for row in rows], [row["category"] for row in rows]

    texts, names = read("train")
    labels = sorted(set(names))
    began = time.process_time()
    predict = fit_baseline(
        "tfidf-logistic-regression", texts, np.array([labels.index(name) for name in names]), labels, 0
    )
    questions, truth = read("test")
    right = [labels[number] == name for number, name in zip(predict(questions).argmax(axis=1), truth, strict=True)]
    assert time.process_time() - began < 60
    assert np.mean(right) > 0.90
