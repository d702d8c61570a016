"""Who is better than whom, and what is recommended, of models that were made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dianji.comparison import VariantCost
from dianji.evaluate.labelled import Classified
from dianji.evaluate.metrics.accuracy import Accuracy
from dianji.evaluate.metrics.probability import LogLoss
from dianji.evaluate.paired import exact, holm
from dianji.evaluate.replicates import Seen
from dianji.pipeline.verdict import Finished, MetricVerdict
from tests.narrow import sure

COST = VariantCost(1000, 1000, 100.0, 500.0, 4.0, 4000)


def variant(name: str, wrong: int, *, rows: int = 400, seeds: int = 3, cost: VariantCost = COST) -> Finished:
    """Right on all but about ``wrong`` rows; which ones depends on the seed."""
    models = []
    for seed in range(seeds):
        said = np.zeros(rows, dtype=np.int64)
        said[np.random.default_rng([seed, wrong]).permutation(rows)[: wrong + seed]] = 1
        probabilities = (0.1 + 0.8 * np.eye(2)[said]).astype(np.float32)
        models.append(Seen(Classified(("a", "b"), np.zeros(rows, dtype=np.int64), probabilities), np.arange(rows)))
    return Finished(name, tuple(models), cost, Path(name))


def judge(*variants: Finished, metric: object = None) -> MetricVerdict:
    return MetricVerdict.of(metric or Accuracy(), variants, seed=0)  # type: ignore[arg-type]  # both metrics are Metrics


def test_verdicts_are_set_beside_the_first_and_corrected():
    found = judge(variant("full", 40), variant("poor", 120), variant("alike", 42), variant("good", 4))
    against = found.against(found.finished[0])
    assert {name: difference.verdict for name, difference in against.items()} == {
        "poor": "worse",
        "alike": "not distinguishable",
        "good": "better",
    }
    raw = [max(difference.tests.values()) for difference in against.values()]
    assert [difference.p for difference in against.values()] == holm(raw)
    assert against["poor"].difference.value == pytest.approx(-80 / 400)
    assert against["poor"].difference.high < 0
    assert set(against["poor"].tests) == {"paired-bootstrap", "randomisation"}


def test_one_seed_of_one_label_is_mcnemars_case():
    first, second = variant("full", 40, seeds=1), variant("other", 60, seeds=1)
    found = judge(first, second).against(first)["other"]
    said = [[sure(Classified, m.outcome).probabilities for m in of.models] for of in (first, second)]
    right = [np.stack([shares.argmax(axis=1) == 0 for shares in of]) for of in said]
    assert found.tests["mcnemar"] == exact(*right)
    assert found.p == max(found.tests.values())


def test_other_metrics_are_tested_by_the_bootstrap_in_their_own_direction():
    found = judge(variant("full", 40), variant("poor", 120), metric=LogLoss())
    against = found.against(found.finished[0])["poor"]
    assert set(against.tests) == {"paired-bootstrap"}
    assert against.difference.value > 0
    assert against.verdict == "worse"
    assert found.best.name == "full"


def test_the_cheapest_of_those_that_are_not_distinguishable_is_recommended():
    frozen = variant("frozen", 44, cost=replace(COST, train_seconds=5.0, trained_parameters=10))
    poor = variant("poor", 200, cost=replace(COST, train_seconds=1.0, milliseconds=0.1))
    found = judge(variant("full", 40), frozen, poor)
    recommended = found.recommend(found.against(found.best))
    assert recommended is not None
    assert (recommended.variant, recommended.artefact) == ("frozen", Path("frozen"))
    words = str(recommended.message)
    assert words.startswith("Ship 'frozen': not distinguishable from the best, 'full' (-0.01")
    assert words.endswith("and it trains 20.0× faster.")


@pytest.mark.parametrize(
    ("cost", "chosen"),
    [
        (replace(COST, milliseconds=2.0, train_seconds=900.0), "other"),  # predicting counts before training
        (replace(COST, milliseconds=3.5, train_seconds=900.0), "full"),  # a little quicker is noise
        (replace(COST, milliseconds=4.5, train_seconds=90.0), "other"),
        (replace(COST, trained_parameters=10), "other"),
        (replace(COST, milliseconds=9.0, train_seconds=1.0), "full"),
    ],
)
def test_the_order_of_costs(cost: VariantCost, chosen: str):
    found = judge(variant("full", 40), variant("other", 41, cost=cost))
    recommended = found.recommend(found.against(found.best))
    assert recommended is not None
    assert recommended.variant == chosen


def test_the_best_is_recommended_where_nothing_comes_near():
    found = judge(variant("full", 4), variant("poor", 200))
    recommended = found.recommend(found.against(found.best))
    assert recommended is not None
    assert str(recommended.message) == (
        "Ship 'full': it scores best (0.9875), and every other variant scores distinguishably worse."
    )


def test_too_few_rows_and_nothing_to_compare_give_no_recommendation():
    few = judge(variant("full", 0, rows=29), variant("poor", 20, rows=29))
    against = few.against(few.best)
    assert against["poor"].verdict == "no verdict"
    assert few.recommend(against) is None
    alone = judge(variant("full", 0))
    assert alone.against(alone.best) == {}
    assert alone.recommend({}) is None
