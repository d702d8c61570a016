"""BM25 equals its formula, written out."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dianji.reporting import Silent
from dianji.retrieval.bm25 import BM25, K1, B
from dianji.retrieval.terms import terms

WORDS = st.lists(st.sampled_from(["card", "cash", "refund", "where", "我的卡"]), max_size=6).map(" ".join)


def by_formula(query, texts):
    passages = [Counter(terms(text)) for text in texts]
    mean = max(1.0, sum(of.total() for of in passages) / len(passages))
    scores = np.zeros(len(texts))
    for term in terms(query):
        holding = sum(term in of for of in passages)
        inverse = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for row, of in enumerate(passages):
            scores[row] += inverse * of[term] * (K1 + 1) / (of[term] + K1 * (1 - B + B * of.total() / mean))
    return scores


@given(st.lists(WORDS, min_size=1, max_size=8), WORDS)
def test_scores_are_those_of_the_formula(texts, query):
    ranking = BM25.fit(texts, Silent()).rank([query], len(texts))
    found, scores = ranking.found(0)
    expected = by_formula(query, texts)
    np.testing.assert_allclose(scores, expected[found], rtol=1e-5)
    assert set(found.tolist()) == set(np.flatnonzero(expected).tolist())
    assert (np.diff(scores) <= 0).all()


def test_equal_scores_come_in_the_order_of_the_passages():
    ranking = BM25.fit(["card", "cash", "card", "card"], Silent()).rank(["card"], 2)
    assert ranking.passages.tolist() == [[0, 2]]


def test_it_comes_back_from_its_files(tmp_path):
    counted = BM25.fit(["my card", "我的卡", "card card"], Silent())
    counted.write(tmp_path)
    again = BM25.read(tmp_path)
    for query in ("card", "卡", "nothing", ""):
        assert np.array_equal(again.rank([query], 3).scores, counted.rank([query], 3).scores)
    assert again.rank(["nothing"], 3).passages.tolist() == [[-1, -1, -1]]
