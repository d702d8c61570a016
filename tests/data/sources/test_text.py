from __future__ import annotations

import pytest

from dianji.data.findings import Findings
from dianji.data.source import SOURCE, Place
from dianji.data.sources.labelled_text import LabelledText, looks_labelled
from dianji.data.sources.text import Text
from dianji.errors import DataError


def read(text, source):
    findings = Findings()
    return source.read(Place("-", "toy.txt", content=text.encode()), "auto", findings), findings


def test_a_document_per_line():
    table, _ = read("first\r\n\nthird\u2028still third\n", Text())
    assert table["text"].to_pylist() == ["first", "", "third\u2028still third"]
    assert table[SOURCE].to_pylist() == ["toy.txt, line 1", "toy.txt, line 2", "toy.txt, line 3"]


def test_a_document_per_file():
    table, _ = read("one\n\ntwo\n", Text(per="file"))
    assert table.to_pylist() == [{"text": "one\n\ntwo", SOURCE: "toy.txt"}]


@pytest.mark.parametrize("swap", [False, True])
def test_the_side_with_few_values_is_the_label(swap):
    rows = [(f"document {number}", "ab"[number % 2]) for number in range(8)]
    text = "\n".join("\t".join(row[::-1] if swap else row) for row in rows)
    assert looks_labelled(text)
    table, _ = read(text, LabelledText())
    assert table["label"].to_pylist() == ["a", "b"] * 4
    assert table["text"][0].as_py() == "document 0"


def test_an_order_may_be_named():
    table, _ = read("a\tb\nb\ta\n", LabelledText(order="label-text"))
    assert table["label"].to_pylist() == ["a", "b"]


def test_an_order_that_cannot_be_told():
    with pytest.raises(DataError, match="order: text-label"):
        read("a\tb\nb\ta\n", LabelledText())


def test_a_separator_may_also_stand_in_the_text():
    table, _ = read("mail me@home now@neutral\nfine@positive\nbad@neutral\n", LabelledText(separator="@"))
    assert table["text"][0].as_py() == "mail me@home now"
    assert table["label"].to_pylist() == ["neutral", "positive", "neutral"]


def test_lines_without_two_cells_are_faults():
    _, findings = read("one\ta\ntwo\n\nthree\ta\tb\nfour\ta\n", LabelledText())
    assert [fault.split(":")[0] for fault in findings.faults] == ["toy.txt, line 2", "toy.txt, line 4"]
    assert findings.warnings == ["toy.txt: 1 blank line left out (line 3)"]


def test_a_header_or_prose_does_not_look_labelled():
    assert not looks_labelled("Label\tSMS\nham\thello you\nham\tand you\nspam\twin now\nspam\twin today\n")
    assert not looks_labelled("just prose\nin two lines\n")
