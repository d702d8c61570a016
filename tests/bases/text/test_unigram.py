from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dianji.bases.text._unigram import _segment, train_unigram

WORDS = st.dictionaries(st.text("abc", min_size=1, max_size=6), st.integers(1, 20), min_size=1, max_size=12)


@given(WORDS, st.integers(3, 30))
@settings(max_examples=60, deadline=None)
def test_pieces_are_a_distribution_within_the_limit(words, size):
    pieces = train_unigram(words, size)
    assert len(pieces) <= size
    assert len({piece for piece, _ in pieces}) == len(pieces)
    assert math.fsum(math.exp(score) for _, score in pieces) == pytest.approx(1.0)
    assert {piece for piece, _ in pieces} >= set("".join(words))


@given(WORDS)
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_words_does_not_matter(words):
    assert train_unigram(words, 12) == train_unigram(dict(reversed(words.items())), 12)


@given(st.text("ab", min_size=1, max_size=6), st.dictionaries(st.text("ab", min_size=1, max_size=3), st.floats(-9, 0)))
def test_the_best_segmentation_is_the_best_of_all(word, scores):
    scores = {**scores, "a": -5.0, "b": -6.0}

    def every(rest):
        if not rest:
            yield []
        for end in range(1, len(rest) + 1):
            if rest[:end] in scores:
                for tail in every(rest[end:]):
                    yield [rest[:end], *tail]

    best = max(math.fsum(scores[piece] for piece in pieces) for pieces in every(word))
    found, pieces = _segment(word, scores)
    assert found == pytest.approx(best)
    assert "".join(pieces) == word


def test_frequent_words_become_pieces():
    words = {"▁card": 50, "▁cash": 40, "▁cards": 20, **{"▁" + "".join(w): 1 for w in itertools.permutations("wxyz")}}
    pieces = {piece for piece, _ in train_unigram(words, 20)}
    assert {"▁card", "▁cash"} <= pieces


def test_more_characters_than_room():
    pieces = train_unigram({"abc": 3, "ab": 2, "a": 1}, 2)
    assert {piece for piece, _ in pieces} == {"a", "b"}
