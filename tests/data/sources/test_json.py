from __future__ import annotations

import json

import pyarrow as pa
import pytest

from dianji.data.findings import Findings
from dianji.data.source import SOURCE, SPLIT, Place
from dianji.data.sources.json import Json
from dianji.data.sources.jsonl import JsonLines
from dianji.errors import DataError

RECORDS = [{"text": "a\u2028b", "label": 1}, {"text": "汉字", "label": 2, "more": {"x": [1]}}]


def read(text, source):
    findings = Findings()
    data = text if isinstance(text, bytes) else text.encode()
    return source.read(Place("-", "toy.json", content=data), "auto", findings), findings


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_objects(indent):
    table, findings = read(json.dumps(RECORDS, indent=indent, ensure_ascii=False), Json())
    assert table["text"].to_pylist() == ["a\u2028b", "汉字"]
    assert table["label"].type == pa.int64()
    lines = ["1", "1"] if indent is None else ["2", "6"]
    told = [f"toy.json, line {line}, row {row}" for row, line in enumerate(lines, start=1)]
    assert table[SOURCE].to_pylist() == told
    assert not findings.count


def test_lines():
    table, _ = read("\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS), JsonLines())
    assert table["text"].to_pylist() == ["a\u2028b", "汉字"]
    assert table["more"].to_pylist() == [None, {"x": [1]}]
    assert table[SOURCE].to_pylist() == ["toy.json, line 1", "toy.json, line 2"]


def test_a_json_file_that_holds_lines():
    table, _ = read("\n".join(json.dumps(record) for record in RECORDS), Json())
    assert table.num_rows == 2


def test_a_list_under_a_key():
    assert read(json.dumps({"version": 1, "data": RECORDS}), Json())[0].num_rows == 2
    both = json.dumps({"english": RECORDS, "french": RECORDS[:1]})
    assert read(both, Json(field="french"))[0].num_rows == 1
    with pytest.raises(DataError, match="Known: english, french"):
        read(both, Json())


def test_lists_that_are_all_splits():
    table, _ = read(json.dumps({"train": RECORDS, "dev": RECORDS[:1]}), Json())
    assert table[SPLIT].to_pylist() == ["train", "train", "validation"]
    twice = json.dumps({"train": RECORDS, "training": RECORDS})
    with pytest.raises(DataError, match="Known: train, training"):
        read(twice, Json())


def test_all_broken_lines_are_reported():
    _, findings = read('{"text": "a"}\n{"text": \n[1]\n{"text": "b"}\n', JsonLines())
    assert findings.count == 2
    assert findings.faults[0].startswith("toy.json, line 2: not JSON (Expecting value at column")
    assert "line 3: list where an object" in findings.faults[1]


def test_broken_json_names_its_line():
    with pytest.raises(DataError, match="line 3: not JSON"):
        read('[\n{"text": "a"},\n{"text" "b"}\n]', Json())
    with pytest.raises(DataError, match="text after the end"):
        read('[{"text": "a"}] rest', Json())


@pytest.mark.parametrize("source", [Json(), JsonLines()])
def test_lone_surrogates_are_faults_and_pairs_are_not(source):
    lines = ['{"text": "fine \\ud83d\\ude00"}', '{"text": "half \\ud83d"}', '{"text": ["x", {"\\uD800": 1}]}']
    text = "[" + ",\n".join(lines) + "]" if isinstance(source, Json) else "\n".join(lines)
    table, findings = read(text, source)
    rows = [", row 2", ", row 3"] if isinstance(source, Json) else ["", ""]
    told = [f"toy.json, line {line}{row}" for line, row in zip((2, 3), rows, strict=True)]
    assert [fault.split(":")[0] for fault in findings.faults] == told
    assert table["text"].to_pylist() == ["fine 😀"]


def test_no_rows():
    with pytest.raises(DataError, match="empty list"):
        read("[]", Json())


def test_too_deep():
    with pytest.raises(DataError, match="nested too deeply"):
        read("[" + "[" * 200_000, Json())
