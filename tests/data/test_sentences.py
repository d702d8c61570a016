"""Sentences cover a text, in order, and end where people end them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.data.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains. Dr. Lee stays in.", ["It rains.", "Dr. Lee stays in."]),
        ('He said "go!" Then he went.', ['He said "go!"', "Then he went."]),
        ("It costs 3.50 a day, e.g. on Monday.", ["It costs 3.50 a day, e.g. on Monday."]),
        ("我丢了卡。怎么办？“请等一下！”他说。", ["我丢了卡。", "怎么办？", "“请等一下！”", "他说。"]),
        ("a title\n\nand its text", ["a title", "and its text"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert [text[start:stop] for start, stop in sentences(text)] == expected


@given(st.text(alphabet="aB .。!？\n”A", max_size=60))
def test_everything_outside_of_sentences_is_white_space(text):
    kept = list(sentences(text))
    assert all(start < stop for start, stop in kept)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(kept))
    edges = [0, *(edge for place in kept for edge in place), len(text)]
    outside = "".join(text[edges[number] : edges[number + 1]] for number in range(0, len(edges), 2))
    assert outside.strip() == ""
