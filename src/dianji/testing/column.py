"""The contract of a column kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from dianji.data.columns import Cells, ColumnKind
from dianji.data.columns.base import Sample
from dianji.data.findings import Findings
from dianji.errors import DataError
from dianji.testing.component import ComponentContract


class Words:
    """Made-up words, in place of a base's vocabulary."""

    def text(self, tokens: int, rng: np.random.Generator) -> str:
        return " ".join(f"word{number}" for number in rng.integers(0, 1000, size=tokens))


class ColumnKindContract(ComponentContract):
    """``component`` is a column kind; ``values`` are what a file may hold, ``wrong`` what is no such column.

    ``unlike`` holds values that a file may hold, of which each differs from all others; ``alike`` pairs of values that
    count as duplicates. ``damaged`` values are faults of their row in a column of ``values``.
    """

    kind: ClassVar[str] = "column"
    values: ClassVar[Sequence[Any]]
    unlike: ClassVar[Sequence[Any]]
    alike: ClassVar[Sequence[tuple[Any, Any]]] = ()
    damaged: ClassVar[Sequence[Any]] = ()
    wrong: ClassVar[Sequence[Any]]
    #: What a missing value becomes: a fault, or an empty value.
    missing_is_fault: ClassVar[bool] = True

    def cells(self, values: Sequence[Any], name: str = "given") -> Cells:
        """Values as they stand in a file."""
        return Cells(
            pa.chunked_array([pa.array(values)]), name, [f"toy.jsonl, line {n + 1}" for n in range(len(values))]
        )

    def converted(self, values: Sequence[Any]) -> pa.ChunkedArray:
        """Values as the kind reads them, without a fault."""
        findings = Findings()
        found = self.column().convert(self.cells(values), findings)
        findings.check()
        return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])

    def column(self) -> ColumnKind:
        """The component."""
        made: ColumnKind = self.make()
        return made

    def invented(self, count: int = 40) -> pa.ChunkedArray:
        """Rows that the kind makes up."""
        array = self.column().invent(count, np.random.default_rng(0), Words())
        return pa.chunked_array([array])

    def test_reads_what_a_file_holds(self) -> None:
        found = self.converted(self.values)
        assert len(found) == len(self.values)
        assert self.column().accepts(pa.array(self.values).type)
        assert not self.column().is_empty(found).any()

    def test_reads_nothing_from_no_rows(self) -> None:
        found = self.converted([])
        assert len(found) == 0
        assert self.column().hash(found).shape == self.column().key(found).shape == (0,)

    def test_reads_its_own_values_again(self) -> None:
        found = self.converted(self.values)
        again = self.column().convert(Cells(found, "given", [""] * len(found)), Findings())
        assert again.to_pylist() == found.to_pylist()

    def test_refuses_another_kind_of_column(self) -> None:
        with pytest.raises(DataError, match="column 'given' holds"):
            self.column().convert(self.cells(self.wrong), Findings())

    def test_names_the_row_of_a_missing_value(self) -> None:
        values = [*self.values, None]
        findings = Findings()
        self.column().convert(self.cells(values), findings)
        where = f"toy.jsonl, line {len(values)}"
        assert [where in fault and "given" in fault for fault in findings.faults] == [True] * self.missing_is_fault
        kept = Cells(self.cells(values).values, "given", [""] * len(values), drops_empty=True)
        found = self.column().convert(kept, Findings())
        assert self.column().is_empty(found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found]))[-1]

    def test_names_the_row_of_a_damaged_value(self) -> None:
        for value in self.damaged:
            findings = Findings()
            cells = self.cells([*self.values, value])
            converted = self.column().convert(cells, findings)
            self.column().check(Cells(converted, "given", cells.sources), findings)
            assert any(f"line {len(self.values) + 1}" in fault for fault in findings.faults), f"{value!r} passed"

    def test_checks_its_values(self) -> None:
        findings = Findings()
        found = self.converted(self.values)
        told = self.column().check(Cells(found, "given", [""] * len(found)), findings)
        findings.check()
        assert json.loads(json.dumps(told)) == told

    def test_compares_values(self) -> None:
        column, unlike = self.column(), self.converted(self.unlike)
        for hashed in (column.hash(unlike), column.key(unlike)):
            assert hashed.dtype == np.uint64
            assert len(set(hashed.tolist())) == len(self.unlike)
        assert np.array_equal(
            column.hash(unlike), np.concatenate([column.hash(unlike.slice(n, 1)) for n in range(len(unlike))])
        )
        for one, other in self.alike:
            key = column.key(self.converted([one, other]))
            assert key[0] == key[1], f"{one!r} and {other!r} are no duplicates"

    def test_goes_through_json_and_probe(self) -> None:
        column, found = self.column(), self.converted(self.values)
        plain = json.loads(json.dumps(column.to_json(found), ensure_ascii=False))
        assert column.from_json(plain).to_pylist() == found.to_pylist()
        values, tensors = column.to_probe(found)
        assert all(isinstance(tensor, np.ndarray) for tensor in tensors.values())
        again = column.from_probe(json.loads(json.dumps(values)), tensors)
        assert again.to_pylist() == found.to_pylist()

    def test_takes_a_callers_values_or_says_which_row_is_none(self) -> None:
        column = self.column()
        assert len(column.given(self.values)) == len(self.values)
        with pytest.raises(DataError, match="row 2"):
            column.given([self.values[0], object()])

    def test_shows_values(self) -> None:
        assert all(self.column().show(value) for value in self.converted(self.values).to_pylist())
        assert self.column().show(None) == ""

    def test_makes_up_values(self) -> None:
        column, found = self.column(), self.invented()
        assert len(found) == 40
        findings = Findings()
        again = column.convert(Cells(found, "given", [""] * 40), findings)
        column.check(Cells(again, "given", [""] * 40), findings)
        findings.check()
        assert again.to_pylist() == found.to_pylist(), "what is made up is converted already"
        assert found.equals(self.invented()), "made up by the generator alone"

    def test_tells_its_classes(self) -> None:
        column, found = self.column(), self.converted(self.values)
        if column.categories == "none":
            pytest.skip("values name no classes")
        classes = column.classes(found).to_pylist()
        assert len(classes) == len(found)
        assert all(isinstance(name, str) and name for row in classes for name in row)
        assert column.categories == "several" or all(len(row) == 1 for row in classes)

    def test_texts_have_a_length(self) -> None:
        column, found = self.column(), self.converted(self.values)
        texts, length = column.texts(found), column.length(found)
        assert (texts is None) == (length is None)
        if texts is not None and length is not None:
            assert column.modality == "text"
            assert [len(text) for text in texts] == length.tolist()

    def test_recognises_its_own_values(self) -> None:
        column = self.column()
        found = self.converted(list(self.values) * 20)
        score = column.looks_like(Sample("anything", found.type, found.to_pylist()))
        assert 0 <= score <= 1
        assert column.looks_like(Sample("anything", pa.null(), [])) == 0
