"""Passages hold every sentence, keep to their length, and repeat no more than the overlap."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.data.sentences import sentences
from dianji.errors import RecipeError
from dianji.retrieval.passages import Cut, Passages
from dianji.retrieval.terms import unit_starts


def cut(text, length, overlap=0):
    return [text[start:stop] for start, stop in Cut(length, overlap).passages(text, unit_starts(text))]


def test_whole_sentences_as_many_as_fit():
    assert cut("a b. c d. e f. g.", 4) == ["a b. c d.", "e f. g."]


def test_the_overlap_is_of_whole_sentences():
    assert cut("a b. c d. e f. g.", 4, 2) == ["a b. c d.", "c d. e f.", "e f. g."]
    assert cut("a b. c d. e f. g.", 4, 1) == ["a b. c d.", "e f. g."]


def test_a_long_sentence_is_divided():
    assert cut("a b c d e", 2) == ["a b ", "c d ", "e"]
    assert cut("我的卡丢了", 2, 1) == ["我的", "的卡", "卡丢", "丢了"]


@given(
    st.lists(st.sampled_from(["a", "bb", "c.", "d!", "我的", "卡。", "\n", "3.5"]), max_size=30).map(" ".join),
    st.integers(1, 8),
    st.integers(0, 4),
)
def test_laws(text, length, overlap):
    rule, starts = Cut(length, min(overlap, length // 2)), unit_starts(text)
    found = rule.passages(text, starts)
    covered = np.zeros(len(text), dtype=bool)
    for start, stop in found:
        assert np.count_nonzero((starts >= start) & (starts < stop)) <= length
        covered[start:stop] = True
    assert all(covered[start:stop].all() for start, stop in sentences(text))
    for before, after in itertools.pairwise(found):
        assert before[0] < after[0]
        assert before[1] < after[1]
        assert np.count_nonzero((starts >= after[0]) & (starts < before[1])) <= rule.overlap


@pytest.mark.parametrize("numbers", [(0, 0), (4, 3), (4, -1)])
def test_numbers_out_of_range(numbers):
    with pytest.raises(RecipeError, match="expected"):
        Cut(*numbers)


def test_passages_come_back_from_their_file(tmp_path):
    passages = Passages.of([[(0, 3), (2, 9)], [], [(0, 1)]])
    passages.write(tmp_path / "passages.safetensors")
    again = Passages.read(tmp_path / "passages.safetensors")
    assert again.document.tolist() == [0, 0, 2]
    assert again.start.tolist() == [0, 2, 0]
    assert again.stop.tolist() == [3, 9, 1]
