"""What it cost."""

from dianji.report.blocks import Facts, Words
from dianji.report.sections.cost import COST
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks


def test_figures_are_told_with_their_units(subject):
    (facts,) = blocks(COST, subject)
    told = {sure(Words, name).en: value for name, value in sure(Facts, facts).pairs}
    assert told["training"] == "1.5 s"
    assert told["parameters that learnt"] == "100 (10.0%)"
    size = sum(path.stat().st_size for path in subject.folder.rglob("*") if path.is_file())
    manifest = (subject.folder / "dianji.json").stat().st_size
    assert told["size on disk"] == f"{(size - manifest) / 1e6:,.1f} MB"


def test_without_evidence_there_is_none(subject, tmp_path):
    assert COST.tell(Subject(tmp_path, subject.manifest)) is None
