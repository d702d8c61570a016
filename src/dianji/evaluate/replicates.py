"""A metric over several models of one kind, trained from different seeds: value and 95 % interval over seeds and rows.

Rows and seeds are crossed (every model saw the same test rows), so a resample draws rows once for all models, and draws
models. The variance of what is drawn from few seeds is too small by ``(seeds - 1) / seeds``, which is put right
(Davison & Hinkley, 1997, 3.8). Where models of one variant differ on rows by mere chance, that chance counts with the
seeds and with the rows, which makes intervals rather too wide than too narrow (Owen, 2007, "The pigeonhole bootstrap").
All variants of a comparison get the same resamples, which pairs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dianji.errors import DataError
from dianji.evaluate.bootstrap import row_weights
from dianji.evaluate.metric import Estimate, Metric
from dianji.evaluate.outcome import Outcome


@dataclass(frozen=True)
class Seen:
    """What one model said, and which rows it was asked."""

    outcome: Outcome
    rows: np.ndarray  # (rows,) uint64: digests; rows of equal content have equal digests

    def order(self) -> np.ndarray:
        """(rows,) positions that sort the rows, so that two models' rows stand side by side."""
        return np.argsort(self.rows, kind="stable")


@dataclass(frozen=True)
class Replicates:
    """A metric of the models of one variant."""

    plain: np.ndarray  # (seeds,) on the rows as they are
    drawn: np.ndarray  # (resamples,) mean over drawn seeds on drawn rows

    @property
    def value(self) -> float:
        """Mean over the seeds."""
        return float(self.plain.mean())

    def estimate(self, rows: int) -> Estimate:
        """With the interval of the resamples."""
        return _estimate(self.value, self.drawn, rows)

    def minus(self, other: Replicates, rows: int) -> Estimate:
        """The difference to another variant on the same resamples."""
        return _estimate(self.value - other.value, self.drawn - other.drawn, rows)


def require_same_rows(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> None:
    """Pairs need the same rows, as often as they occur, in any order.

    Args:
        first: (rows,) digests.
        second: (rows,) digests.
        names: whose they are.

    Raises:
        DataError: there is a row that the two do not share.
    """
    if np.array_equal(np.sort(first), np.sort(second)):
        return
    shared = int(np.isin(first, second).sum())
    raise DataError(
        f"'{names[1]}' is not measured on the rows of '{names[0]}': {len(second):,} rows against {len(first):,}, "
        f"{shared:,} of these in both. A paired comparison needs the same test rows: give the variants the same "
        "data and split, or the same file as split.test."
    )


def replicate(
    metric: Metric, variants: Mapping[str, Sequence[Seen]], resamples: int, seed: int
) -> dict[str, Replicates]:
    """The metric of every variant's models, all on the same resamples.

    Args:
        metric: any; a statistic of weighted rows.
        variants: name -> what its models said, one for each seed, in the same order of seeds everywhere.
        resamples: how many; fewer on very many rows, as ``dianji.evaluate.bootstrap`` says.
        seed: of the resamples.

    Raises:
        DataError: the rows are not the same everywhere, or there are none.
    """
    first, rows = next((name, models[0].rows) for name, models in variants.items())
    for name, models in variants.items():
        for model in models:
            require_same_rows(rows, model.rows, (first, name))
    if not len(rows):
        raise DataError("there are no rows to compare on. Expected at least one; check the split and the cleaning.")
    places = {name: [_places(model) for model in models] for name, models in variants.items()}
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in variants}
    for piece in row_weights(len(rows), resamples, seed, _units(variants[first])):
        for name, models in variants.items():
            values = [metric(m.outcome, piece[:, at]) for m, at in zip(models, places[name], strict=True)]
            pieces[name].append(np.stack(values, axis=1))
    drawn = {name: np.concatenate(found) for name, found in pieces.items()}
    return {name: Replicates(_plain(metric, models), _mixed(drawn[name], seed)) for name, models in variants.items()}


def _places(model: Seen) -> np.ndarray:
    """Where each of the model's rows stands among the sorted ones."""
    places = np.empty(len(model.rows), dtype=np.int64)
    places[model.order()] = np.arange(len(model.rows))
    return places


def _units(models: Sequence[Seen]) -> np.ndarray | None:
    """The resampling units in the order of the sorted rows; variants share their rows, so those of one are all."""
    units = models[0].outcome.units
    return None if units is None else units[models[0].order()]


def _plain(metric: Metric, models: Sequence[Seen]) -> np.ndarray:
    return np.array([float(metric(model.outcome, np.ones((1, model.outcome.rows)))[0]) for model in models])


def _mixed(drawn: np.ndarray, seed: int) -> np.ndarray:
    """(resamples, seeds) -> (resamples,): the mean over drawn seeds, their spread widened to what it should be."""
    resamples, seeds = drawn.shape
    middle = drawn.mean(axis=1)
    if seeds == 1:
        return np.asarray(middle)
    rng = np.random.Generator(np.random.PCG64([seed, 1]))  # another stream than the rows'
    chosen = rng.integers(seeds, size=(resamples, seeds))
    spread = np.take_along_axis(drawn, chosen, axis=1).mean(axis=1) - middle
    return np.asarray(middle + spread * np.sqrt(seeds / (seeds - 1)))


def _estimate(value: float, drawn: np.ndarray, rows: int) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high), rows)
