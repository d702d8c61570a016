"""From subjects to a document."""

import pytest

from dianji.report import compose
from dianji.report.blocks import Paragraph, Words, said
from dianji.report.compose import chapters, headline, of_artefact
from dianji.report.section import Section
from dianji.report.sections import SECTIONS
from dianji.report.sections.groups import GROUPS
from dianji.report.sections.label_errors import LABEL_ERRORS
from dianji.report.sections.written import WRITTEN
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.toy import artefact, texts


def test_every_section_has_its_chapter(subject):
    silent = [WRITTEN.title, GROUPS.title]  # they tell of tasks that write text or rank
    expected = [section.title for section in SECTIONS if section.title not in silent]
    assert [chapter.title for chapter in of_artefact(subject).chapters] == expected


def test_a_section_is_one_more_line(subject, monkeypatch):
    mood = Section(Words("Mood", "心情"), lambda subject: [Paragraph("good")])
    silent = Section(Words("Silence", "沉默"), lambda subject: None)
    monkeypatch.setattr(compose, "SECTIONS", (mood, silent))
    assert [said(chapter.title, "zh") for chapter in chapters(subject)] == ["心情"]


def test_the_headline_is_the_primary_metric(subject):
    value = subject.measured["metrics"]["test"]["accuracy"]["value"]
    assert headline(subject).en.startswith(f"accuracy {value:.4f} (95 % interval ")
    assert f"准确率 {value:.4f}" in headline(subject).zh


def test_an_artefact_without_figures_has_a_page(subject, tmp_path):
    bare = Subject(tmp_path, subject.manifest)
    titles = [sure(Words, chapter.title).en for chapter in of_artefact(bare).chapters]
    assert titles == ["What it is", "Lineage", "How to reproduce it"]
    assert headline(bare).en == "Nothing was measured."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_several_labels_per_row_are_reported_on(tmp_path, language):
    from dianji.report.html import to_html
    from tests.report.page import Found

    folder = artefact(tmp_path / "model", texts(tmp_path / "questions.csv"), several=True)
    document = of_artefact(Subject.open(folder))
    silent = [LABEL_ERRORS.title, WRITTEN.title, GROUPS.title]  # they judge one label per row, text, ranks
    assert [of.title for of in document.chapters] == [of.title for of in SECTIONS if of.title not in silent]
    assert Found(to_html(document, language)).faults == []
