"""The verdict of a comparison: which variants are better, and which one to ship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dianji.comparison import Difference, Recommendation, VariantCost
from dianji.evaluate.metric import Metric, is_share_of_right
from dianji.evaluate.paired import exact, holm, resampled, verdict
from dianji.evaluate.replicates import Replicates, Seen, replicate
from dianji.messages import Message

RESAMPLES = 2000
#: Predicting so much longer than the quickest counts as more expensive; less is the measurement's own noise.
SLOWER = 1.25


@dataclass(frozen=True)
class Finished:
    """A variant that ran with every seed."""

    name: str
    models: tuple[Seen, ...]
    cost: VariantCost
    artefact: Path


@dataclass(frozen=True)
class MetricVerdict:
    """A metric with the replicates of all variants, their differences and the recommendation."""

    metric: Metric
    finished: tuple[Finished, ...]
    replicates: Mapping[str, Replicates]

    @classmethod
    def of(cls, metric: Metric, finished: Sequence[Finished], seed: int) -> MetricVerdict:
        """Measure all variants on the same resamples.

        Raises:
            DataError: the rows are not the same everywhere.
        """
        models = {variant.name: variant.models for variant in finished}
        return cls(metric, tuple(finished), replicate(metric, models, RESAMPLES, seed))

    @property
    def rows(self) -> int:
        """The number of compared rows."""
        return self.finished[0].models[0].outcome.rows

    @property
    def best(self) -> Finished:
        """The variant with the best score; the first of equals."""
        return max(self.finished, key=lambda variant: self._sign * self.replicates[variant.name].value)

    def against(self, to: Finished) -> dict[str, Difference]:
        """Every other variant against ``to``, corrected for how many there are."""
        others = [variant for variant in self.finished if variant is not to]
        tests = [self._tests(to, other) for other in others]
        corrected = holm([max(found.values()) for found in tests])
        return {
            other.name: self._difference(to, other, found, p)
            for other, found, p in zip(others, tests, corrected, strict=True)
        }

    def recommend(self, against_best: Mapping[str, Difference]) -> Recommendation | None:
        """By the rule in ``dianji.messages``; None with one variant only, or with too few rows for a verdict."""
        if not against_best or any(found.verdict == "no verdict" for found in against_best.values()):
            return None
        best = self.best
        equal = [v for v in self.finished if v is best or against_best[v.name].verdict == "not distinguishable"]
        quickest = min(variant.cost.milliseconds for variant in equal)
        quick = [variant for variant in equal if variant.cost.milliseconds <= SLOWER * quickest]
        chosen = min(quick, key=lambda variant: (variant.cost.train_seconds, variant.cost.trained_parameters))
        message = (
            self._is_best(best, alone=len(equal) == 1) if chosen is best else _is_cheaper(chosen, best, against_best)
        )
        rule = Message("recommendation.rule", {"slower": SLOWER})
        return Recommendation(chosen.name, chosen.artefact, message, rule)

    def _is_best(self, best: Finished, *, alone: bool) -> Message:
        key = "recommendation.best-alone" if alone else "recommendation.best-cheapest"
        return Message(key, {"variant": best.name, "score": float(self.replicates[best.name].value)})

    @property
    def _sign(self) -> int:
        return 1 if self.metric.higher_is_better else -1

    def _tests(self, to: Finished, other: Finished) -> dict[str, float]:
        """Test -> p: the bootstrap over rows and seeds, and the exact test where an answer is right or wrong."""
        drawn = self.replicates[other.name].drawn - self.replicates[to.name].drawn
        tests = {"paired-bootstrap": resampled(drawn)}
        # The exact test takes rows for independent, which those of one resampling unit are not.
        if is_share_of_right(self.metric) and to.models[0].outcome.units is None:
            ours, theirs = _right(to), _right(other)
            if ours is not None and theirs is not None:
                tests["mcnemar" if len(to.models) == 1 else "randomisation"] = exact(ours, theirs)
        return tests

    def _difference(self, to: Finished, other: Finished, tests: Mapping[str, float], p: float) -> Difference:
        found = self.replicates[other.name].minus(self.replicates[to.name], self.rows)
        return Difference(to.name, found, tests, p, verdict(self._sign * found.value, p, self.rows))


def _right(variant: Finished) -> np.ndarray | None:
    """(seeds, rows) bool, the rows sorted by their digests; None where answers are not right or wrong."""
    answers = []
    for model in variant.models:
        right = model.outcome.right()
        if right is None:
            return None
        answers.append(right[model.order()])
    return np.stack(answers)


def _is_cheaper(chosen: Finished, best: Finished, against_best: Mapping[str, Difference]) -> Message:
    found = against_best[chosen.name].difference
    figures = {"difference": float(found.value), "low": float(found.low), "high": float(found.high)}
    names = {"variant": chosen.name, "best": best.name}
    return Message("recommendation.cheaper", {**names, **figures, "saving": _saving(chosen.cost, best.cost)})


def _saving(cost: VariantCost, best: VariantCost) -> Message:
    """The advantages in cost over the best variant; the number of parameters only without any other advantage."""
    ratios = {
        "predicts": best.milliseconds / cost.milliseconds,
        "trains": best.train_seconds / max(cost.train_seconds, 1e-9),
    }
    faster = {name: ratio for name, ratio in ratios.items() if ratio >= SLOWER}
    if faster:
        return Message(f"saving.{'-and-'.join(faster)}-faster", faster)
    if cost.trained_parameters < best.trained_parameters:
        counts = {"parameters": cost.trained_parameters, "instead_of": best.trained_parameters}
        return Message("saving.fewer-parameters", counts)
    return Message("saving.none")
