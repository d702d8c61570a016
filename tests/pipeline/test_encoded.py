"""The cache of examples: chunks are what the whole is, one record batch, written once, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from dianji.bases.base import Base
from dianji.errors import StoreError
from dianji.pipeline import encoded as module
from dianji.pipeline.encoded import encoded
from dianji.store.steps import Store
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys

TABLE, TAGGED = toys.text_table(), toys.tagged_table()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 5)


CASES: dict[str, tuple[Any, Callable[[], Base], pa.Table]] = {
    "one-label": (TextClassification().fit(TABLE), toys.text_base, TABLE),
    "several-labels": (TextClassification(several=True).fit(TAGGED), toys.text_base, TAGGED),
    "windows": (MaskedLanguage(length=4), toys.text_base, TABLE),
    "whole-words": (MaskedLanguage(length=4, whole_word=True), toys.text_base, TABLE),
    "images": (ImageClassification().fit(toys.image_table()), toys.image_base, toys.image_table()),
}


@pytest.mark.parametrize("case", CASES)
def test_chunks_are_what_the_whole_is(store, case):
    task, base, table = CASES[case]
    found = encoded(store, task, base(), table, "key")
    expected = task.encode(table, base())
    assert found.equals(expected.combine_chunks())
    assert found.schema.equals(expected.schema, check_metadata=True)
    assert {column.num_chunks for column in found.columns} == {1}, "taking rows from several chunks is slow"
    assert encoded(store, task, base(), table.slice(0, 0), "key").equals(found), "read from the cache"


def test_no_rows(store):
    task, base, table = CASES["one-label"]
    assert encoded(store, task, base(), table.slice(0, 0), "none").num_rows == 0


@pytest.fixture
def _unregistered(monkeypatch):
    monkeypatch.setattr(module, "record_of", lambda task: type(task).__name__)


@pytest.mark.usefixtures("_unregistered")
def test_a_task_with_other_columns_is_joined_in_memory(store):
    class Odd(TextClassification):
        def encode(self, table, base):
            examples = super().encode(table, base)
            return examples.append_column("more", pa.array([None] * examples.num_rows, pa.int32()))

    task, base, table = CASES["one-label"]
    found = encoded(store, Odd(labels=task.labels), base(), table, "odd")
    assert found["row"].to_pylist() == list(range(table.num_rows))
    assert found["more"].null_count == table.num_rows


@pytest.mark.usefixtures("_unregistered")
def test_a_fault_leaves_nothing_but_the_lock(store, tmp_path):
    class Full(TextClassification):
        def encode(self, table, base):
            if table["text"][0] == TABLE["text"][10]:
                raise OSError(28, "No space left on device")
            return super().encode(table, base)

    task, base, table = CASES["one-label"]
    with pytest.raises(StoreError, match="the disk is full"):
        encoded(store, Full(labels=task.labels), base(), table, "key")
    left = [path.name for path in tmp_path.rglob("*") if path.is_file() or path.name.startswith(".")]
    assert left == ["examples.arrow.lock"]


def test_what_a_killed_process_had_encoded_is_swept(store):
    task, base, table = CASES["one-label"]
    begun = store.cache("key") / ".examples.arrow.x1"
    begun.mkdir(parents=True)
    (begun / "0").write_bytes(b"half")
    encoded(store, task, base(), table, "key")
    assert not begun.exists()
