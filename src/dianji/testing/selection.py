"""The contract of a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.selections.base import Earlier, Selection
from dianji.tasks.answers import LabelPrediction
from dianji.tasks.base import Task
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys
from dianji.testing.component import ComponentContract


class SelectionContract(ComponentContract):
    """``component`` is a selection; override what the earlier stage is where it asks for another one."""

    kind: ClassVar[str] = "selection"

    def table(self) -> pa.Table:
        """Rows to select from, with all columns that might be read."""
        return toys.text_table()

    def task(self) -> Task:
        """The task of the earlier stage, fitted."""
        return TextClassification().fit(self.table())

    def predict(self, rows: pa.Table) -> Sequence[Any]:
        """The earlier stage's predictions: sure of every second row."""
        sure = [0.99 if row % 2 else 0.4 for row in range(rows.num_rows)]
        return [LabelPrediction("card", value, {"card": value, "cash": 1 - value}) for value in sure]

    def scored(self, rows: pa.Table) -> Mapping[str, Any]:
        """Its outputs: vectors that follow from the texts and from their partners."""
        sides = [name for name in ("text", "positive") if name in rows.column_names]
        draws = [[np.random.default_rng(list(text.encode())) for text in rows[name].to_pylist()] for name in sides]
        vectors = [np.array([rng.standard_normal(8) for rng in side]).reshape(-1, 8) for side in draws]
        return {"vector": vectors[0], "partners": vectors[-1][:, None]}

    def selection(self) -> Selection:
        """The component, typed."""
        made: Selection = self.make()
        return made

    def earlier(self) -> Earlier:
        """The finished stage."""
        return Earlier("first", self.task(), self.predict, lambda rows: dict(self.scored(rows)))

    def read(self) -> pa.Table:
        """The table's columns that the selection reads."""
        return self.table().select([*self.selection().reads(self.task())])

    def test_reads_columns_by_their_kinds(self) -> None:
        wanted = self.selection().reads(self.task())
        assert wanted
        assert wanted.keys() <= set(self.table().column_names)
        assert all(column.of for column in wanted.values())

    def test_rows_tell_what_they_were_made_of(self) -> None:
        found = self.selection().select(self.earlier(), self.read())
        assert found.rows.num_rows == len(found.of) > 0
        assert found.of.dtype == np.int64
        assert 0 <= found.of.min() <= found.of.max() < self.read().num_rows
        made_of = self.read().take(pa.array(found.of))
        shared = [name for name in made_of.column_names if name in found.rows.column_names]
        assert shared
        assert found.rows.select(shared).equals(made_of.select(shared))

    def test_rows_follow_from_stage_and_table(self) -> None:
        once, again = (self.selection().select(self.earlier(), self.read()) for _ in range(2))
        assert once.rows.equals(again.rows)
        assert np.array_equal(once.of, again.of)

    def test_of_no_rows_none_are_selected(self) -> None:
        found = self.selection().select(self.earlier(), self.read().slice(0, 0))
        assert found.rows.num_rows == len(found.of) == 0
