"""Tables that grow on the disk: the same rows as when they are joined in memory, in one chunk."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.pipeline.growing_table import GrowingTable, UnsupportedColumn, slices

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("ids", pa.large_list(pa.int32())),
        pa.field("deep", pa.large_list(pa.large_list(pa.float32()))),
        pa.field("flag", pa.bool_()),
        pa.field("text", pa.large_string()),
        pa.field("pixels", pa.binary(4), metadata={b"shape": b"2,2"}),
    ]
)


def table(rows, seed):
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, 99, rng.integers(0, 5)).tolist() for _ in range(rows)]
    return pa.table(
        {
            "row": np.arange(rows),
            "ids": lists,
            "deep": [[[float(item)] * 2 for item in items] for items in lists],
            "flag": rng.random(rows) < 0.5,
            "text": ["卡" * int(count) for count in rng.integers(0, 4, rows)],
            "pixels": [bytes(rng.integers(0, 256, 4, dtype=np.uint8)) for _ in range(rows)],
        },
        schema=SCHEMA,
    )


@given(sizes=st.lists(st.integers(0, 20), min_size=1, max_size=6), start=st.integers(0, 3))
def test_one_below_the_other(tmp_path_factory, sizes, start):
    tables = [table(size + start, seed).slice(start) for seed, size in enumerate(sizes)]
    growing = GrowingTable(tmp_path_factory.mktemp("grown"))
    for one in tables:
        growing.append(one)
    batch = growing.finish()
    batch.validate(full=True)
    expected = pa.concat_tables(tables).combine_chunks()
    assert pa.Table.from_batches([batch]).equals(expected, check_metadata=True)
    assert growing.rows == sum(sizes)


@pytest.mark.parametrize(
    "column", [pa.array([1, None]), pa.array([{"a": 1}]), pa.array(["a"]).dictionary_encode()], ids=str
)
def test_what_cannot_grow_is_told(tmp_path, column):
    with pytest.raises(UnsupportedColumn):
        GrowingTable(tmp_path).append(pa.table({"column": column}))


def test_slices_are_bounded_by_rows_and_bytes():
    whole = pa.table({"text": ["a" * 100] * 50 + ["b"] * 50})
    found = list(slices(whole, rows=30, size=1000))
    assert pa.concat_tables(found).combine_chunks().equals(whole)
    assert max(piece.num_rows for piece in found) == 30
    assert max(piece.nbytes for piece in found) <= 1000
    assert [piece.num_rows for piece in slices(whole.slice(0, 0), 30, 1000)] == [0]
    assert [piece.num_rows for piece in slices(whole.slice(0, 3), 30, 10)] == [1, 1, 1]
