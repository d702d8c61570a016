"""The contract of a source of rows."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest

from dianji.data.findings import Findings
from dianji.data.source import SOURCE, SPLIT, SPLITS, Place, Source, Streamed
from dianji.errors import DataError
from dianji.testing.component import ComponentContract


class SourceContract(ComponentContract):
    """``component`` is a source; ``place`` writes something for it to read.

    ``rows`` and ``columns`` say what is to be found there.
    """

    kind: ClassVar[str] = "source"
    rows: ClassVar[int]
    columns: ClassVar[tuple[str, ...]]

    def place(self, folder: Path) -> Place:
        """Write ``rows`` rows below ``folder`` and say where they are."""
        raise NotImplementedError

    def source(self, folder: Path) -> Source:
        """The component; override it where its arguments name what was written."""
        made: Source = self.make()
        return made

    def test_says_what_it_reads(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        assert source.reads in ("file", "folder", "service")
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in source.suffixes)

    def test_reads_every_row_and_says_where_it_was(self, tmp_path: Path) -> None:
        findings = Findings()
        table = self.source(tmp_path).read(self.place(tmp_path), "auto", findings)
        findings.check()
        assert table.num_rows == self.rows
        assert set(self.columns) <= set(table.column_names)
        names = table[SOURCE].to_pylist()
        assert len(set(names)) == self.rows, "two rows have the same name"
        assert all(names)
        if SPLIT in table.column_names:
            assert set(table[SPLIT].to_pylist()) <= {*SPLITS, None}

    def test_reads_the_same_twice(self, tmp_path: Path) -> None:
        place = self.place(tmp_path)
        first, second = (self.source(tmp_path).read(place, "auto", Findings()) for _ in range(2))
        assert first.equals(second)

    def test_chunks_are_what_is_read_as_a_whole(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source, place = self.source(tmp_path), self.place(tmp_path)
        if not isinstance(source, Streamed):
            pytest.skip(f"{type(source).__name__} gives its rows as a whole")
        whole = source.read(place, "auto", Findings())
        for module in ("source", "sources.parquet", "sources.arrow"):
            monkeypatch.setattr(f"dianji.data.{module}.CHUNK_ROWS", 5)
        findings = Findings()
        chunks = list(source.chunks(place, "auto", findings))
        findings.check()
        assert all(0 < chunk.num_rows <= 5 for chunk in chunks)
        assert pa.concat_tables(chunks).combine_chunks().equals(whole.combine_chunks())

    def test_says_what_is_missing(self, tmp_path: Path) -> None:
        missing = str(tmp_path / "nowhere" / "missing.file")
        with pytest.raises(DataError):
            self.make().read(Place(missing, "missing.file"), "auto", Findings())
