"""The contract of a baseline."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from dianji.bases.base import Base
from dianji.evaluate.baseline import Baseline, Fitted
from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.outcome import Outcome
from dianji.tasks.base import Task
from dianji.testing import toys
from dianji.testing.component import ComponentContract


class BaselineContract(ComponentContract):
    """``component`` is a baseline; ``cases`` gives what it is to be compared with.

    ``by_row``: the answer to a row does not depend on which other rows are asked beside it. Ranks in a collection do.
    """

    kind: ClassVar[str] = "baseline"
    by_row: ClassVar[bool] = True

    def cases(self) -> list[tuple[Task, pa.Table]]:
        """Fitted tasks with rows to learn from; one at least for each kind of outcome that the baseline serves."""
        raise NotImplementedError

    def base(self) -> Base:
        """What the tasks start from."""
        return toys.text_base()

    def fitted(self, task: Task, table: pa.Table, seed: int = 0) -> Fitted:
        """The baseline, fitted to a case to which it applies."""
        found = self.baseline().fit(task.comparable(self.base()), table, seed)
        assert found is not None, "the baseline does not apply to its own test case"
        return found

    def baseline(self) -> Baseline:
        """The component, typed."""
        made: Baseline = self.make()
        return made

    def test_gives_each_kind_of_outcome_that_it_serves(self) -> None:
        given = {type(self.fitted(task, table)(table)) for task, table in self.cases()}
        assert given == set(self.baseline().serves)

    def test_its_outcome_is_sound_and_feeds_the_metrics(self) -> None:
        for task, table in self.cases():
            outcome = self.fitted(task, table)(table)
            assert outcome.rows == table.num_rows
            assert not outcome.check()
            assert estimates(task.metrics, outcome, 100, 0).keys() == set(task.metrics)

    def test_fits_the_same_from_the_same_rows(self) -> None:
        for task, table in self.cases():
            first, again = (self.fitted(task, table, 3)(table) for _ in range(2))
            assert (first.distance(again) == 0).all()

    def test_does_not_see_the_rows_it_answers(self) -> None:
        """The answers to some rows do not depend on which others are asked beside them."""
        for task, table in self.cases() if self.by_row else []:
            answer = self.fitted(task, table)
            few = np.arange(min(5, table.num_rows))
            alone: Outcome = answer(table.take(pa.array(few)))
            np.testing.assert_allclose(alone.distance(answer(table).take(few)), 0, atol=1e-6)
