"""Splits of a stream: the same rows as when the data is read whole, by their content, in memory that does not grow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dianji.data.source import SOURCE
from dianji.data.streamed import sample
from dianji.errors import DataError
from dianji.store.steps import Store
from tests.data.helpers import LABELLED, TEXT, read, write_csv, write_jsonl

RECORDS = [{"text": f"document {number} of many"} for number in range(400)]


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr("dianji.data.source.CHUNK_ROWS", 50)
    return write_jsonl(tmp_path / "texts.jsonl", RECORDS)


def texts(loaded):
    return {split: table["text"].to_pylist() for split, table in loaded.splits.items()}


def test_every_row_in_one_split(path):
    loaded = read(path, TEXT, stream=True, split={"validation": 0.1, "test": 0.2})
    found = texts(loaded)
    assert sorted(text for of in found.values() for text in of) == sorted(record["text"] for record in RECORDS)
    assert len(found["validation"]) == pytest.approx(40, abs=20)
    assert len(found["test"]) == pytest.approx(80, abs=25)
    assert loaded.report["rows"] == {split: len(of) for split, of in found.items()}
    assert loaded.streamed
    assert loaded.splits["train"][SOURCE][0].as_py().startswith("texts.jsonl, line ")
    assert any("read as a stream" in warning for warning in loaded.warnings)


def test_the_digest_is_that_of_the_bytes(path):
    assert read(path, TEXT, stream=True).digest == read(path, TEXT).digest


def test_the_split_follows_from_the_text_and_the_seed(path, tmp_path):
    first = texts(read(path, TEXT, stream=True, split={"test": 0.3}))
    turned = write_jsonl(tmp_path / "turned.jsonl", [{"text": r["text"].upper()} for r in reversed(RECORDS)])
    other = texts(read(turned, TEXT, stream=True, split={"test": 0.3}))
    assert sorted(text.upper() for text in first["test"]) == sorted(other["test"])
    assert set(texts(read(path, TEXT, stream=True, split={"test": 0.3}, seed=1))["test"]) != set(first["test"])


def test_given_files_and_cleaning(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", [*RECORDS, {"text": " "}, {"text": "short"}])
    write_jsonl(tmp_path / "test.jsonl", [{"text": "a document to test"}])
    loaded = read(str(tmp_path), TEXT, stream=True, clean={"drop_empty": True, "min_length": 8})
    assert texts(loaded)["test"] == ["a document to test"]
    assert loaded.report["removed"] == {"empty": 1, "too short": 1}
    assert [entry["rows"] for entry in loaded.report["files"]] == [1, 402]


def test_it_is_read_once(path, monkeypatch):
    first = read(path, TEXT, stream=True)
    monkeypatch.setattr("dianji.data.streamed._written", None)
    assert texts(read(path, TEXT, stream=True)) == texts(first)


def test_what_a_killed_process_had_written_is_swept(path):
    first = texts(read(path, TEXT, stream=True))
    (folder,) = (report.parent for report in (Store.default().home / "cache").glob("*/report.json"))
    begun = folder.rename(folder.with_name(f".{folder.name}.x1"))  # as it is before it is put in place
    assert texts(read(path, TEXT, stream=True)) == first
    assert folder.is_dir()
    assert not begun.exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"limit": 10}, "limit would need all rows"),
        ({"clean": {"drop_duplicates": True}}, "clean.drop_duplicates would need"),
        ({"split": {"group": "text"}}, "split.group would need"),
    ],
)
def test_what_needs_all_rows_is_refused(path, more, told):
    with pytest.raises(DataError, match=told):
        read(path, TEXT, stream=True, **more)


def test_a_task_with_labels_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"column 'label'.*Leave out stream"):
        read(write_csv(tmp_path / "a.csv"), LABELLED, stream=True)


def test_faults_are_told_together_and_nothing_is_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\nnonsense\n{"text": "b"}\n[1]\n')
    with pytest.raises(DataError, match=r"(?s)line 2: not JSON.*line 4: list where an object"):
        read(str(path), TEXT, stream=True, format="jsonl")
    with pytest.raises(DataError):
        read(str(path), TEXT, stream=True, format="jsonl")


def test_a_sample_is_spread_over_the_table(path):
    table = read(path, TEXT, stream=True).splits["train"]
    some = sample(table, 100)
    assert 50 <= some.num_rows <= 150
    assert int(some["text"][-1].as_py().split()[1]) >= 200
    assert sample(table, 10_000) is table


MEASURE = """
import resource, sys
from pathlib import Path
from dianji.data.columns import Column
from dianji.data.read import load
from dianji.spec.data import Data
spec = Data.model_validate({"path": sys.argv[1], "stream": True})
loaded = load(spec, {"text": Column("text")}, seed=0, name="x", cache=Path(sys.argv[2]))
print(sum(table.num_rows for table in loaded.splits.values()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for times in (1, 8):
        path = tmp_path / f"{times}.jsonl"
        with path.open("w") as file:
            for number in range(20_000 * times):
                file.write(json.dumps({"text": f"{number} " + "some words of a document " * 12}) + "\n")
        command = [sys.executable, "-c", MEASURE, str(path), str(tmp_path / "cache")]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert int(told[0]) == 20_000 * times
        peaks.append(int(told[1]) / 1024)
    small, large = peaks
    assert large - small < 15, f"{path.stat().st_size / 2**20:.0f} MB of rows took {large - small:.0f} MB more memory"
