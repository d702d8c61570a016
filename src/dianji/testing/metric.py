"""The contract of a metric."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dianji.evaluate.bootstrap import estimate
from dianji.evaluate.metric import Metric
from dianji.evaluate.outcome import Outcome
from dianji.testing import toys
from dianji.testing.component import ComponentContract

QUALITIES = (0.0, 0.3, 0.6, 1.0)


class MetricContract(ComponentContract):
    """``component`` is a metric; override ``outcome`` where it is computed on a kind of outcome of your own."""

    kind: ClassVar[str] = "metric"

    def outcome(self, kind: type[Outcome], quality: float) -> Outcome:
        """An outcome of 60 rows; ``quality`` 1 is perfect, 0 is guessing."""
        return toys.outcome(kind, quality)

    def metric(self) -> Metric:
        """The component, typed."""
        made: Metric = self.make()
        return made

    def test_says_what_it_measures(self) -> None:
        low, high = self.metric().range
        assert low < high
        assert isinstance(self.metric().higher_is_better, bool)
        assert self.metric().outcomes
        assert all(issubclass(kind, Outcome) for kind in self.metric().outcomes)

    def test_stays_within_its_range(self) -> None:
        low, high = self.metric().range
        for outcome in self._outcomes():
            values = self.metric()(outcome, _weights(outcome.rows))
            assert values.shape == (20,)
            assert np.isfinite(values).all()
            assert (values >= low).all()
            assert (values <= high).all()

    def test_equal_weights_give_the_plain_value(self) -> None:
        for outcome in self._outcomes():
            ones = np.ones((1, outcome.rows))
            np.testing.assert_allclose(self.metric()(outcome, ones), self.metric()(outcome, 3 * ones), rtol=1e-12)

    def test_resamples_do_not_see_each_other(self) -> None:
        for outcome in self._outcomes():
            weights = _weights(outcome.rows)
            one_by_one = [self.metric()(outcome, row[None])[0] for row in weights]
            np.testing.assert_allclose(self.metric()(outcome, weights), one_by_one, rtol=1e-12)

    def test_a_weight_counts_a_row_so_often(self) -> None:
        """Also shows that the order of rows means nothing, since the rows that count twice move."""
        for outcome in self._outcomes():
            weights = _weights(outcome.rows)[0]
            chosen = np.random.default_rng(1).permutation(np.repeat(np.arange(outcome.rows), weights.astype(int)))
            drawn = outcome.take(chosen)
            plain = self.metric()(drawn, np.ones((1, drawn.rows)))
            np.testing.assert_allclose(self.metric()(outcome, weights[None]), plain, rtol=1e-9, atol=1e-12)

    def test_perfect_is_not_beaten(self) -> None:
        for kind in self.metric().outcomes:
            values = [self._value(self.outcome(kind, quality)) for quality in QUALITIES]
            sign = 1 if self.metric().higher_is_better else -1
            assert all(sign * values[-1] >= sign * value for value in values), values
            assert values[-1] != values[0], "perfect and guessing get the same value"

    def test_the_interval_holds_the_value(self) -> None:
        for kind in self.metric().outcomes:
            found = estimate(self.metric(), self.outcome(kind, 0.3), resamples=200, seed=0)
            assert found.low <= found.value <= found.high
            assert found.low < found.high
            assert found.n == self.outcome(kind, 0.3).rows

    def _outcomes(self) -> list[Outcome]:
        return [self.outcome(kind, quality) for kind in self.metric().outcomes for quality in QUALITIES]

    def _value(self, outcome: Outcome) -> float:
        return float(self.metric()(outcome, np.ones((1, outcome.rows)))[0])


def _weights(rows: int) -> np.ndarray:
    """(20, rows) as a bootstrap draws them."""
    return np.random.default_rng(0).multinomial(rows, np.full(rows, 1 / rows), size=20).astype(np.float64)
