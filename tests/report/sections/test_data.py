"""The data report: figures from evidence alone."""

from dianji.report.blocks import Facts, Figure, Items, Table, Words
from dianji.report.sections.data import DATA
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks
from tests.report.toy import LABELS


def of(subject, **changes):
    fresh = Subject(subject.folder, subject.manifest)
    report = {**subject.evidence("data"), **changes}
    object.__setattr__(fresh, "evidence", lambda name: report)
    return blocks(DATA, fresh)


def test_rows_labels_and_lengths_are_told(subject):
    told = blocks(DATA, subject)
    facts = {name.en if isinstance(name, Words) else name: value for name, value in sure(Facts, told[0]).pairs}
    assert facts["train"] == f"{subject.evidence('data')['rows']['train']:,}"
    table = next(block for block in told if isinstance(block, Table))
    assert {row[0] for row in table.rows} == set(LABELS)
    assert sum(isinstance(block, Figure) for block in told) == 3  # labels, tokens, characters


def test_many_labels_are_drawn_without_their_names(subject):
    labels = {"train": {f"label {number}": 100 - number for number in range(60)}}
    figure = next(block for block in of(subject, labels=labels) if isinstance(block, Figure))
    assert "label 59" not in figure.drawing.words
    assert "60 labels; the most frequent has 100 training rows, the least frequent 41" in sure(Words, figure.alt).en


def test_labels_that_training_lacks_are_listed(subject):
    table = next(
        block for block in of(subject, labels={"train": {"a": 2}, "test": {"b": 1}}) if isinstance(block, Table)
    )
    assert table.rows == (("a", "2", "0"), ("b", "0", "1"))


def test_warnings_and_what_was_removed_are_told(subject):
    items = next(
        block for block in of(subject, warnings=["mind"], removed={"empty": 3, "short": 0}) if isinstance(block, Items)
    )
    assert [item.text for item in items.items] == ["mind", "empty: 3"]


def test_pictures_have_sizes_instead_of_lengths(subject):
    one = {"min": 1.0, "p5": 1.0, "median": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0}
    images = {"image": {"sizes": {"16x16": 9}, "modes": {"L": 9}, "formats": {"PNG": 9}}}
    told = of(subject, labels={}, characters={}, tokens={"train": one}, images=images)
    assert [type(block) for block in told] == [Facts, Table, Table, Table]


def test_without_evidence_there_is_no_section(subject):
    fresh = Subject(subject.folder, subject.manifest)
    object.__setattr__(fresh, "evidence", lambda name: {})
    assert DATA.tell(fresh) is None
