"""Rows of several splits that share a context: counted, told with what to do, and no near-duplicates of each other."""

from __future__ import annotations

import json

import pytest

from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.inspect import inspect
from dianji.data.quality.near import QUICK
from dianji.data.quality.report import assess, gathered
from dianji.data.survey import survey
from dianji.errors import DataError
from dianji.tasks.question_answering import QuestionAnswering
from tests.data.helpers import read, write_jsonl

COLUMNS = QuestionAnswering().columns
PASSAGES = [
    f"The castle number {number} was built by king Otto {number} of Bavaria in 18{number:02d}." for number in range(12)
]


def questions(passages, each=4, passage="context"):
    """Some questions about each passage."""
    return [
        {
            passage: text,
            "question": f"{ask} of castle {number} {place}?",
            "answers": [{"text": "castle", "start": 4}],
        }
        for place, text in enumerate(passages)
        for number, ask in enumerate(["who is the king", "when was the year", "where is the land", "what name"][:each])
    ]


def test_shared_contexts_are_told_with_the_column_to_divide_by(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", questions(PASSAGES, passage="passage"))
    named = {"context": "passage"}
    loaded = read(path, COLUMNS, columns=named)
    counts = {split: of["count"] for split, of in loaded.report["shared"]["context"].items()}
    assert counts["test"] > 0
    told = next(
        warning for warning in loaded.warnings if "rows of test share the context (column 'passage')" in warning
    )
    assert told.startswith(f"data.toy: {counts['test']} rows of test")
    assert "a.jsonl, line" in told
    assert "split: {group: passage}" in told
    assert json.loads(json.dumps(loaded.report)) == loaded.report

    followed = read(path, COLUMNS, columns=named, split={"group": "passage"})
    assert all(of["count"] == 0 for of in followed.report["shared"]["context"].values())
    assert not [warning for warning in followed.warnings if "share the context" in warning]


def test_rows_in_one_file_for_each_split(tmp_path):
    train = write_jsonl(tmp_path / "a.jsonl", questions(PASSAGES[:6]))
    held = write_jsonl(tmp_path / "b.jsonl", questions([PASSAGES[0].upper(), "Another land entirely."], each=1))
    other = write_jsonl(tmp_path / "c.jsonl", questions(PASSAGES[8:9]))
    split = {"test": held, "validation": other}
    loaded = read(train, COLUMNS, split=split)
    assert loaded.report["shared"]["context"]["test"] == {"count": 1, "rows": ["b.jsonl, line 1 = a.jsonl, line 1"]}
    (told,) = [warning for warning in loaded.warnings if "shares the context" in warning]
    assert "leave such rows out of one of them" in told
    with pytest.raises(DataError, match=r"shares the context .* leave out strict"):
        read(train, COLUMNS, split=split, strict=True)


def test_tasks_without_such_a_column_report_nothing(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": f"text {number}"} for number in range(12)])
    assert "shared" not in read(path, {"text": Column("text")}).report


def test_questions_about_one_context_are_no_near_duplicates(tmp_path):
    long = " ".join(PASSAGES[:4])
    rows = questions([long, f"{long} Nobody lives there.", *PASSAGES[4:]], each=2)
    loaded = read(write_jsonl(tmp_path / "a.jsonl", rows), COLUMNS, split={"group": "context"})
    near = assess(gathered(loaded.splits, COLUMNS), Findings(), QUICK)["near_duplicates"]
    places = [{entry["row"], entry["like"]} for entry in near["rows"]]
    assert {"a.jsonl, line 1", "a.jsonl, line 3"} in places
    assert {"a.jsonl, line 1", "a.jsonl, line 2"} not in places


def test_a_look_at_questions_reads_question_and_context(tmp_path):
    found = survey(write_jsonl(tmp_path / "a.jsonl", questions(PASSAGES)), {})
    assert found.columns == {"question": "question", "context": "context", "answers": "answers"}
    assert found.report["duplicates"]["count"] == 0
    assert found.report["shared"]["context"] == {of: {"count": 0, "rows": []} for of in ("validation", "test")}
    assert found.modality == "text"


def test_inspection_divides_by_context_where_there_is_no_title(tmp_path):
    assert inspect(write_jsonl(tmp_path / "a.jsonl", questions(PASSAGES))).group == "context"
