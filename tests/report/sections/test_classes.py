"""Labels one by one."""

from dianji.report.blocks import Table
from dianji.report.sections.classes import CLASSES
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks
from tests.report.toy import LABELS


def test_the_weakest_label_comes_first(subject):
    (block,) = blocks(CLASSES, subject)
    table = sure(Table, block)
    assert {row[0] for row in table.rows} == set(LABELS)
    scores = [float(sure(str, row[2])) for row in table.rows]
    assert scores == sorted(scores)
    assert sum(int(sure(str, row[1])) for row in table.rows) == subject.record.outcome.rows


def test_tasks_without_classes_have_none(subject):
    fresh = Subject(subject.folder, subject.manifest)
    fresh.__dict__["measured"] = {"metrics": {"test": {"perplexity": {}}}}
    assert CLASSES.tell(fresh) is None
