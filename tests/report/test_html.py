"""The page: in order, in one piece, and nothing in it that data has put there."""

import re

import pytest

from dianji.report.blocks import Chapter, Document, Item, Items, Paragraph, Table, Thumbnail, Words
from dianji.report.compose import of_artefact, of_recipe
from dianji.report.html import to_html
from tests.report.page import Found
from tests.report.toy import LABELS

HAN = re.compile(r"[\u4e00-\u9fff]")


def small(*blocks):
    return Document("title", "lead", (Chapter(Words("one", "一"), blocks),))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_an_artefact_is_in_order(subject, language):
    found = Found(to_html(of_artefact(subject), language))
    assert found.faults == []
    assert found.levels[:2] == [1, 2]
    assert all(label in found.text for label in LABELS)


def test_the_page_of_a_recipe_is_in_order_and_goes_one_level_deeper(subject):
    found = Found(to_html(of_recipe("desk", [subject, subject], ["later"]), "en"))
    assert found.faults == []
    assert set(found.levels) == {1, 2, 3}
    assert "Not finished yet: later." in found.text


def test_a_fault_would_be_found():
    page = to_html(small(Paragraph("HARM")), "en")
    for harm in ("<script></script>", '<a href="https://example.org">x</a>', "<p>", '<p id="c1"></p>', "<h5></h5>"):
        assert Found(page.replace("HARM", harm)).faults, harm


def test_data_cannot_write_html():
    hostile = '<script>alert("x")</script><img src=x onerror=1>'
    page = to_html(small(Paragraph(hostile), Table(hostile, (hostile,), ((hostile,),)), Items((Item(hostile),))), "en")
    found = Found(page)
    assert found.faults == []
    assert found.text.count(hostile) == 5


def test_what_html_cannot_hold_is_replaced():
    page = to_html(small(Paragraph("a\x00b\x0b\ud800c")), "en")
    assert "a\ufffdb\ufffd\ufffdc" in page
    page.encode("utf-8")


def test_pictures_are_in_the_page():
    page = to_html(small(Table("t", ("p",), ((Thumbnail(b"png", 'a "cat"'),),))), "en")
    assert '<img src="data:image/png;base64,cG5n" alt="a &quot;cat&quot;">' in page


def test_a_browser_is_told_to_fetch_and_run_nothing(subject):
    page = to_html(of_artefact(subject), "en")
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}


def test_the_language_is_said_and_spoken(subject):
    english, chinese = (to_html(of_artefact(subject), language) for language in ("en", "zh"))
    assert '<html lang="en">' in english
    assert '<html lang="zh-Hans">' in chinese
    headings = re.findall(r"<h[23][^>]*>(.*?)</h", chinese)
    captions = re.findall(r"<(?:fig)?caption[^>]*>(.*?)</", chinese)
    assert all(HAN.search(text) for text in headings + captions)
    for text in re.findall(r"<(?:h2|h3|dt)[^>]*>(.*?)</", english):
        assert not HAN.search(text)


def test_no_stand_in_of_a_figure_is_left(subject):
    page = to_html(of_artefact(subject), "zh")
    assert not re.search(r"@\d+@|#0[1-4]0[1-4]0[1-4]", page)
    assert "var(--accent)" in page


def test_the_same_subject_gives_the_same_page(subject):
    document = of_artefact(subject)
    assert to_html(document, "en") == to_html(of_artefact(subject), "en")
