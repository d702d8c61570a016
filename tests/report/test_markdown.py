"""Markdown: tables stay tables, and pictures lie beside the text."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from dianji.report.blocks import Chapter, Code, Document, Facts, Item, Items, Paragraph, Table, Thumbnail, Words
from dianji.report.compose import of_artefact
from dianji.report.markdown import to_markdown


def written(*blocks, language="en"):
    return to_markdown(Document("t", "l", (Chapter(Words("one", "一"), blocks),)), language, "pictures")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_row_of_a_table_has_the_cells_of_its_header(subject, language):
    text = to_markdown(of_artefact(subject), language, "p").text
    tables = re.findall(r"(?:^\|.*\n?)+", text, re.M)
    assert len(tables) > 5
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_pictures_are_named_and_there(subject):
    found = to_markdown(of_artefact(subject), "zh", "p")
    assert sorted(re.findall(r"\(<p/(.*?)>\)", found.text)) == sorted(found.pictures)
    for content in found.pictures.values():
        assert ElementTree.fromstring(content).get("role") == "img"


def test_data_cannot_write_markdown():
    text = written(Paragraph("# no [link](x) <b> *a* `c` |")).text
    assert r"\# no \[link\](x) \<b\> \*a\* \`c\` \|" in text
    assert written(Paragraph("1. one")).text.endswith("1\\. one\n")
    assert written(Table("t", ("a",), (("x\ny",),))).text.endswith("| x y |\n")


def test_a_fence_is_longer_than_what_it_holds():
    assert "````yaml\na: ```\n````" in written(Code("a: ```", "yaml")).text


def test_lists_facts_notes_and_thumbnails():
    text = written(Items((Item("a", (Item("b"),)),)), Facts((("x", "1"),)), Paragraph("mind", note=True)).text
    assert "- a\n  - b" in text
    assert "| x | 1 |" in text
    assert "\n> mind\n" in text
    found = written(Table("t", ("p",), ((Thumbnail(b"png", "a cat"),),)))
    assert "![a cat](<pictures/01.png>)" in found.text
    assert found.pictures == {"01.png": b"png"}
