"""Encoded sets: rows become examples once, a chunk at a time, and are memory-mapped afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dianji.bases.base import Base
from dianji.engine.batches import Size, over_budget
from dianji.pipeline.growing_table import GrowingTable, UnsupportedColumn, slices
from dianji.registry import record_of
from dianji.reporting import Meter, Silent
from dianji.spec.sections import Train
from dianji.store.atomic import alone, translated
from dianji.store.digest import digest_value
from dianji.store.steps import Store
from dianji.tasks.base import Task
from dianji.tasks.truncation import Truncation, truncation

#: Changes when encoding changes without a new version of the task.
FORMAT = 2
_ADVICE = "Raise the task's length if the base takes more, or divide such rows."
#: Rows that are encoded at a time, and about how many bytes of them.
_ROWS, _BYTES = 8192, 2**24


def encoded(store: Store, task: Task, base: Base, table: pa.Table, digest: str, meter: Meter | None = None) -> pa.Table:
    """The examples of ``table``, from the cache where they are: one record batch, memory-mapped.

    Args:
        store: holds the cache.
        task: fitted.
        base: whose processor encodes.
        table: one split.
        digest: see ``examples_digest``.
        meter: counts rows.
    """
    path = store.cache(digest) / "examples.arrow"
    if not path.exists():
        with alone(path):
            if not path.exists():
                _write(path, task, base, table, meter or Silent())
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def examples_digest(task: Task, key: list[str]) -> str:
    """The digest of a split's examples; ``key`` holds digests and names that together determine base and table."""
    return digest_value([FORMAT, record_of(task), *key])


def encode_in_chunks(task: Task, base: Base, table: pa.Table, meter: Meter | None = None) -> Iterator[pa.Table]:
    """The encoded examples of the table, in pieces of bounded size; ``row`` counts through all of them."""
    first = 0
    for piece in slices(table, _ROWS, _BYTES):
        examples = task.encode(piece, base)
        number = examples.schema.get_field_index("row")
        rows = pc.add(examples["row"], pa.scalar(first, pa.int64()))
        yield examples.set_column(number, examples.schema.field(number), rows)
        first += piece.num_rows
        if meter is not None:
            meter.advance(piece.num_rows)


def warnings_of(task: Task, examples: Mapping[str, pa.Table], train: Train) -> list[str]:
    """Warnings about the lengths of encoded splits, for the start of training.

    Raises:
        CapabilityError: no example fits into a batch.
    """
    found = [describe_truncation(rows, told) for rows, told in _truncated(task, examples).items()]
    large = over_budget(examples["train"]["length"].to_numpy(), Size(train.batch_size, train.batch_tokens))
    return [*found, large] if large else found


def describe_truncation(rows: str, found: Truncation) -> str:
    """A warning about truncated rows, with advice; ``rows`` names the split."""
    return f"{rows}: {found}. {_ADVICE}"


def truncation_of(task: Task, examples: Mapping[str, pa.Table]) -> dict[str, dict[str, int]]:
    """The same for the data report; only splits of which something was cut."""
    return {rows: found.to_json() for rows, found in _truncated(task, examples).items()}


def _truncated(task: Task, examples: Mapping[str, pa.Table]) -> dict[str, Truncation]:
    """Split, or split and part, -> its truncation; only where there is one."""
    return {
        f"{split} of {part}" if part else split: found
        for split, of in examples.items()
        for part, mine in task.divided(of).items()
        if (found := truncation(mine))
    }


def _write(path: Path, task: Task, base: Base, table: pa.Table, meter: Meter) -> None:
    with translated(path):
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            written = folder / path.name
            batch = _grown(folder, task, base, table, meter)
            with pa.OSFile(str(written), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write(batch)
            written.replace(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _grown(folder: Path, task: Task, base: Base, table: pa.Table, meter: Meter) -> pa.RecordBatch | pa.Table:
    growing = GrowingTable(folder)
    try:
        for examples in encode_in_chunks(task, base, table, meter):
            growing.append(examples)
    except UnsupportedColumn:  # a task with columns of other types: joined in memory
        return pa.concat_tables(encode_in_chunks(task, base, table)).combine_chunks()
    return growing.finish()
