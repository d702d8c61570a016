"""Scores beside baselines, and no more claimed than the intervals bear."""

import dataclasses

import pytest

from dianji.report.blocks import Figure, Paragraph, Table, Words
from dianji.report.sections.scores import SCORES
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks


def estimate(low, high, value=None):
    return {"value": (low + high) / 2 if value is None else value, "low": low, "high": high, "n": 50}


def told(subject, metric, model, *baselines):
    measured = {
        "metrics": {"test": {metric: model}},
        "baselines": {f"b{number}": {"test": {metric: of}} for number, of in enumerate(baselines)},
    }
    fresh = Subject(subject.folder, dataclasses.replace(subject.manifest))
    fresh.__dict__["measured"] = measured
    return blocks(SCORES, fresh)


@pytest.mark.parametrize(
    ("metric", "model", "baseline", "better"),
    [
        ("accuracy", (0.8, 0.9), (0.6, 0.7), True),
        ("accuracy", (0.8, 0.9), (0.7, 0.81), False),
        ("accuracy", (0.6, 0.7), (0.8, 0.9), False),
        ("log-loss", (0.1, 0.2), (0.3, 0.4), True),
        ("log-loss", (0.3, 0.4), (0.1, 0.2), False),
    ],
)
def test_better_is_said_where_intervals_do_not_touch(subject, metric, model, baseline, better):
    verdict = told(subject, metric, estimate(*model), estimate(*baseline))[0]
    assert ("is better than" in verdict.text.en) == better
    assert ("好于" in verdict.text.zh) == better


def test_the_best_of_the_baselines_is_compared_with(subject):
    verdict = told(subject, "accuracy", estimate(0.8, 0.9), estimate(0.1, 0.2), estimate(0.7, 0.85))[0]
    assert "(b1)" in verdict.text.en


def test_without_baselines_nothing_is_compared(subject):
    found = told(subject, "accuracy", estimate(0.8, 0.9))
    assert [type(block) for block in found] == [Table, Paragraph]


def test_each_split_has_its_table_and_the_test_comes_first(subject):
    found = blocks(SCORES, subject)
    tables = [block for block in found if isinstance(block, Table)]
    assert [sure(Words, table.caption).en.split()[2] for table in tables] == ["test", "validation"]
    assert sum(isinstance(block, Figure) for block in found) == 1
    accuracy = subject.measured["metrics"]["test"]["accuracy"]
    assert tables[0].rows[0][1] == f"{accuracy['value']:.4f}"


def test_nothing_measured_nothing_told(subject):
    fresh = Subject(subject.folder, subject.manifest)
    fresh.__dict__["measured"] = {}
    assert SCORES.tell(fresh) is None
