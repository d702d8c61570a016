from __future__ import annotations

import json
import time
from typing import Any

import pyarrow as pa
import pytest

from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.images import binary_array
from dianji.data.quality.likeness import Effort
from dianji.data.quality.near import QUICK, near_duplicates
from dianji.data.quality.report import assess, gathered
from dianji.data.source import numbered, with_sources
from dianji.errors import DataError
from tests.data.helpers import IMAGES, LABELLED, read, write_csv
from tests.data.quality.test_pictures import file_of, scene

TRAIN = [
    ("Where is the card that I ordered last week?", "card"),
    ("where is the card that I ordered last weeks", "loan"),
    ("I would like to borrow ten thousand euros", "loan"),
    ("I would like to borrow ten thousand euro", "loan"),
    ("How do I close my account for good?", "account"),
    ("how do i close MY account for good?", "account"),
]
TEST = [
    ("Hello I would like to borrow ten thousand euros", "loan"),
    ("where is the card that I ordered last weeks", "card"),
    ("What does a transfer cost?", "account"),
]


def table(rows, name):
    texts, labels = zip(*rows, strict=True)
    return with_sources(pa.table({"text": texts, "label": labels}), numbered(name, len(rows), "line", 2))


@pytest.fixture
def rows():
    return gathered({"train": table(TRAIN, "a.csv"), "test": table(TEST, "b.csv")}, LABELLED)


def test_the_report_names_rows_and_is_plain(rows):
    findings = Findings()
    report = near_duplicates(rows, findings, QUICK)
    assert json.loads(json.dumps(report)) == report
    assert report["looked_at"] == {"inputs": 7, "of": 7}  # equal inputs are one
    assert (report["groups"], report["count"]) == (2, 3)
    found = [{entry["row"], entry["like"]} for entry in report["rows"]]
    assert {"a.csv, line 2", "a.csv, line 3"} in found
    assert set().union(*found[1:]) == {"a.csv, line 4", "a.csv, line 5", "b.csv, line 2"}
    assert all(0.8 <= entry["likeness"] < 1 for entry in report["rows"])


def test_leakage_is_a_warning_and_leaves_equal_rows_to_the_data_report(rows):
    findings = Findings()
    report = near_duplicates(rows, findings, QUICK)
    assert report["leakage"]["validation"] == {"count": 0, "rows": []}
    assert report["leakage"]["test"]["count"] == 1
    assert report["leakage"]["test"]["rows"][0]["row"] == "b.csv, line 2"
    told = "1 input of test nearly repeats one of training: b.csv, line 2 ~ a.csv, line "
    assert any(warning.startswith(told) for warning in findings.warnings)


def test_conflicts_name_both_labels(rows):
    findings = Findings()
    conflicts = near_duplicates(rows, findings, QUICK)["conflicts"]
    assert conflicts["count"] == 1
    assert conflicts["rows"][0]["labels"] == ["card", "loan"]
    told = "1 pair of nearly equal rows with different labels: a.csv, line 2 (card) ~ a.csv, line 3 (loan)"
    assert told in findings.warnings


def test_without_likeness_nothing_is_said():
    findings = Findings()
    rows = gathered({"train": table([TRAIN[0], TRAIN[2], ("", "card"), (" ", "loan")], "a.csv")}, LABELLED)
    report = near_duplicates(rows, findings, QUICK)
    assert (report["groups"], report["count"], report["rows"]) == (0, 0, [])
    assert report["looked_at"]["inputs"] == 2
    assert findings.warnings == []


def test_a_smaller_effort_says_what_was_looked_at_and_keeps_held_out_rows(rows):
    report = near_duplicates(rows, Findings(), Effort(inputs=4, characters=40, pictures=1, pixels=1))
    assert report["looked_at"] == {"inputs": 4, "of": 7, "characters": 10}


def test_images():
    pictures = [file_of(scene(0)), file_of(scene(1)), file_of(scene(2)), file_of(scene(0).resize((40, 40)))]
    held_out = [file_of(scene(1), "JPEG", quality=70), file_of(scene(9))]

    def part(files, name):
        labels = ["a", "b", "a", "b"][: len(files)]
        return with_sources(pa.table({"image": binary_array(files), "label": labels}), numbered(name, len(files)))

    rows = gathered({"train": part(pictures, "a"), "validation": part(held_out, "b")}, IMAGES)
    findings = Findings()
    report = assess(rows, findings, QUICK)
    assert report["personal_data"] == {}
    near = report["near_duplicates"]
    assert near["leakage"]["validation"]["rows"][0]["like"] == "a, row 2"
    assert near["conflicts"]["rows"][0]["labels"] == ["a", "b"]
    assert len(findings.warnings) == 2
    few = near_duplicates(rows, Findings(), Effort(inputs=99, characters=1, pictures=99, pixels=3 * 96 * 96))
    assert few["looked_at"] == {"inputs": 3, "of": 6}


def test_a_task_without_inputs_has_no_near_duplicates():
    only = with_sources(pa.table({"label": ["a"]}), ["x"])
    assert near_duplicates(gathered({"train": only}, {"label": Column("label", target=True)}), Findings(), QUICK) == {}


def test_strict_refuses_near_leakage(tmp_path):
    files = write_csv(tmp_path / "a.csv", TRAIN[2:5] + TRAIN[:1]), write_csv(tmp_path / "b.csv", TEST[:1])
    more: dict[str, Any] = {"split": {"test": files[1], "validation": write_csv(tmp_path / "v.csv", TEST[2:])}}
    assert read(files[0], **more).warnings == ()
    with pytest.raises(
        DataError, match=r"1 input of test nearly repeats one of training: b.csv, line 2 ~ a.csv.*strict"
    ):
        read(files[0], **more, strict=True)


def test_forty_thousand_rows_from_one_template_take_seconds():
    text = "a question of usual length with number {}"
    rows = [(text.format(number * 7919), "ab"[number % 2]) for number in range(40_000)]
    both = gathered({"train": table(rows[:32_000], "a"), "test": table(rows[32_000:], "b")}, LABELLED)
    start = time.process_time()
    near_duplicates(both, Findings(), QUICK)
    assert time.process_time() - start < 24
