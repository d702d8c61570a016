"""Encoded sets: rows become examples once, and are memory-mapped afterwards."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pyarrow as pa

from dianji.bases.base import Base
from dianji.registry import record_of
from dianji.store.atomic import translated
from dianji.store.digest import digest_value
from dianji.store.steps import Store
from dianji.tasks.base import Task

#: Changes when encoding changes without a new version of the task.
FORMAT = 1


def encoded(store: Store, task: Task, base: Base, table: pa.Table, digest: str) -> pa.Table:
    """The examples of ``table``, from the cache where they are.

    Args:
        store: holds the cache.
        task: fitted.
        base: whose processor encodes.
        table: one split.
        digest: see ``examples_digest``.
    """
    path = store.cache(digest) / "examples.arrow"
    if not path.exists():
        _write(path, task.encode(table, base))
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def examples_digest(task: Task, key: list[str]) -> str:
    """Of a split's examples; ``key`` holds digests and names that together determine base and table."""
    return digest_value([FORMAT, record_of(task), *key])


def _write(path: Path, examples: pa.Table) -> None:
    """As a single record batch: taking rows from one chunk is far quicker than from many."""
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        os.close(handle)
        try:
            with pa.OSFile(name, "wb") as sink, pa.ipc.new_file(sink, examples.schema) as writer:
                writer.write_table(examples.combine_chunks())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
