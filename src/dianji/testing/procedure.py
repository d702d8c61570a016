"""The contract of a procedure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from dianji.procedures.base import Material, Procedure, Round
from dianji.tasks.answers import LabelPrediction
from dianji.testing import toys
from dianji.testing.component import ComponentContract

MOST_ROUNDS = 100


class ProcedureContract(ComponentContract):
    """``component`` is a procedure; override ``table`` and ``predict`` where it asks for something else."""

    kind: ClassVar[str] = "procedure"

    def table(self) -> pa.Table:
        """A training split."""
        return toys.text_table()

    def predict(self, rows: pa.Table) -> Sequence[Any]:
        """The model of the round before."""
        return [LabelPrediction("card", 0.9, {"card": 0.9, "cash": 0.1})] * rows.num_rows

    def procedure(self) -> Procedure:
        """The component, typed."""
        made: Procedure = self.make()
        return made

    def rounds(self) -> list[Round]:
        """All rounds, each better than the one before."""
        done: list[Mapping[str, float]] = []
        found: list[Round] = []
        while (following := self.procedure().next(done)) is not None and len(found) < MOST_ROUNDS:
            found.append(following)
            done.append({"accuracy": len(done) / MOST_ROUNDS})
        return found

    def test_rounds_are_counted_and_end(self) -> None:
        found = self.rounds()
        assert [of.number for of in found] == list(range(len(found)))
        assert 0 < len(found) < MOST_ROUNDS
        assert not self.procedure().single or len(found) == 1

    def test_rows_have_the_columns_of_the_split_and_follow_from_seed_and_round(self) -> None:
        table = self.table()
        for of in self.rounds():
            material = Material(table, 3, None if of.number == 0 else self.predict)
            rows = self.procedure().rows(of, material)
            assert rows.schema.equals(table.schema)
            assert rows.num_rows
            assert rows.equals(self.procedure().rows(of, material))
