"""Values over seeds and rows against a slow bootstrap, and against what simulation knows."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from dianji.errors import DataError
from dianji.evaluate.bootstrap import estimate
from dianji.evaluate.labelled import Classified
from dianji.evaluate.metrics.accuracy import Accuracy
from dianji.evaluate.metrics.f1 import MacroF1
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.paired import resampled
from dianji.evaluate.replicates import Seen, replicate
from tests.evaluate.test_metrics import plain, take
from tests.narrow import sure

ROWS = 40


def outcome(seed: int, quality: float, rows: int = ROWS) -> Classified:
    """Three labels; the true one is the likeliest with chance ``quality``. The target is the same for every seed."""
    rng = np.random.default_rng(seed)
    target = np.random.default_rng(99).integers(3, size=rows)
    said = np.where(rng.random(rows) < quality, target, rng.integers(3, size=rows))
    return Classified(("a", "b", "c"), target, (0.1 + 0.7 * np.eye(3)[said]).astype(np.float32))


def seen(seed: int, quality: float, rows: int = ROWS) -> Seen:
    return Seen(outcome(seed, quality, rows), np.arange(rows, dtype=np.uint64))


def shuffled(model: Seen, seed: int) -> Seen:
    order = np.random.default_rng(seed).permutation(len(model.rows))
    return Seen(take(model.outcome, order), model.rows[order])


def test_equals_a_slow_bootstrap_over_rows_and_seeds():
    """The oracle draws rows and models, and measures each drawn model on the drawn rows from scratch."""
    models = [seen(number, 0.7) for number in range(3)]
    found = replicate(MacroF1(), {"a": models}, 200, seed=5)["a"]
    rows, seeds = np.random.Generator(np.random.PCG64(5)), np.random.Generator(np.random.PCG64([5, 1]))
    drawn_seeds = seeds.integers(3, size=(200, 3))
    expected = []
    for chosen in drawn_seeds:
        picked = rows.integers(ROWS, size=ROWS)
        values = [MacroF1()(take(model.outcome, picked), np.ones((1, ROWS)))[0] for model in models]
        middle = np.mean(values)
        expected.append(middle + (np.mean([values[place] for place in chosen]) - middle) * np.sqrt(3 / 2))
    assert found.drawn == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean([plain(MacroF1(), m.outcome) for m in models]))
    assert (found.estimate(ROWS).low, found.estimate(ROWS).high) == pytest.approx(np.percentile(expected, [2.5, 97.5]))


def test_with_one_seed_it_is_the_usual_bootstrap():
    found = replicate(MacroF1(), {"a": [seen(1, 0.7)]}, 200, seed=5)["a"].estimate(ROWS)
    assert vars(found) == pytest.approx(vars(estimate(MacroF1(), outcome(1, 0.7), 200, seed=5)))


def test_rows_are_matched_whatever_their_order():
    first, second = [seen(1, 0.6), seen(2, 0.6)], [seen(3, 0.8), seen(4, 0.8)]
    straight = replicate(Accuracy(), {"a": first, "b": second}, 200, 0)
    crossed = replicate(Accuracy(), {"a": first, "b": [shuffled(model, 7) for model in second]}, 200, 0)
    assert crossed["b"].minus(crossed["a"], ROWS) == straight["b"].minus(straight["a"], ROWS)


def test_pairs_narrow_the_difference():
    """Two models that agree on most rows differ by far less than each of them varies."""
    first = seen(1, 0.6, 400)
    said = sure(Classified, first.outcome)
    near = said.probabilities.copy()
    near[:10] = np.eye(3)[said.target[:10]]
    second = Seen(replace(said, probabilities=near), first.rows)
    found = replicate(Accuracy(), {"a": [first], "b": [second]}, 500, 0)
    difference, alone = found["b"].minus(found["a"], 400), found["a"].estimate(400)
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)
    assert difference.low <= difference.value <= difference.high


@pytest.mark.parametrize("rows", [np.arange(1, ROWS + 1), np.arange(ROWS - 1), np.r_[0, np.arange(ROWS - 1)]])
def test_other_rows_are_refused(rows):
    other = Seen(outcome(2, 0.7, len(rows)), rows.astype(np.uint64))
    with pytest.raises(DataError, match=r"'b' is not measured on the rows of 'a'.*same test rows"):
        replicate(Accuracy(), {"a": [seen(1, 0.7)], "b": [other]}, 100, 0)


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="no rows to compare on"):
        replicate(Accuracy(), {"a": [seen(1, 0.7, 0)]}, 100, 0)


def test_spread_between_seeds_is_what_it_should_be():
    """All rows alike, so that only the seeds vary: the variance of a mean of three is a third of theirs."""
    models = [Seen(outcome(0, quality, 50), np.zeros(50, dtype=np.uint64)) for quality in (0.0, 0.0, 0.0)]
    values = np.array([0.2, 0.5, 0.6])

    class Given:
        outcomes: ClassVar[tuple[type[Outcome], ...]] = (Classified,)
        higher_is_better: ClassVar[bool] = True
        range: ClassVar[tuple[float, float]] = (0.0, 1.0)

        def __call__(self, outcome: Any, weights: np.ndarray) -> np.ndarray:
            place = next(i for i, model in enumerate(models) if model.outcome is outcome)
            return np.full(len(weights), values[place])

    drawn = replicate(Given(), {"a": models}, 20_000, 0)["a"].drawn
    assert drawn.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.05)


def trained(rng: np.random.Generator, hard: np.ndarray, noise: float) -> list[Seen]:
    """Three models that are right on rows that are easy enough: four in five, a little more or less with the seed."""
    models = []
    for _ in range(3):
        right = hard + noise * rng.standard_normal(len(hard)) < 0.8 + 0.02 * rng.standard_normal()
        probabilities = np.eye(2, dtype=np.float32)[np.where(right, 0, 1)]
        models.append(Classified(("a", "b"), np.zeros(len(hard), dtype=np.int64), probabilities))
    return [Seen(model, np.arange(len(hard), dtype=np.uint64)) for model in models]


def test_intervals_cover_what_other_seeds_and_rows_would_give():
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(300):
        found = replicate(Accuracy(), {"a": trained(rng, rng.random(150), 0.0)}, 200, seed)["a"].estimate(150)
        covered.append(found.low <= 0.8 <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.98


def test_equal_variants_are_seldom_told_apart():
    rng = np.random.default_rng(1)
    told = []
    for seed in range(200):
        hard = rng.random(150)
        both = {name: trained(rng, hard, 0.2) for name in "ab"}
        found = replicate(Accuracy(), both, 200, seed)
        told.append(resampled(found["b"].drawn - found["a"].drawn) < 0.05)
    assert np.mean(told) <= 0.08
