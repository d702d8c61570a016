"""Measured places equal those of sorting everything; the same queries measure BM25 beside the search."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji import verbs
from dianji.errors import DataError
from dianji.retrieval.measured import METRICS, Searched, _places
from dianji.retrieval.opened import Index
from tests.retrieval.conftest import TEXTS


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    """The first sentence of each document; two documents begin with the same one."""
    path = tmp_path_factory.mktemp("queries") / "queries.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "document"])
        writer.writerows((text.partition(".")[0], f"d{number}") for number, text in enumerate(TEXTS))
    return path


COLUMNS = {"query": "question", "relevant": "document"}


def measured(index, queries, **options):
    found = verbs.search_file(index, str(queries), columns=COLUMNS, **options)
    assert isinstance(found, Searched)
    return found


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.data())
def test_places_are_those_of_the_whole_collection(scores, data):
    total = len(scores) + data.draw(st.integers(0, 3))
    right = np.array(sorted(data.draw(st.sets(st.integers(0, total - 1), min_size=1))), dtype=np.int64)
    above, tied = _places(np.arange(len(scores)), np.array(scores, dtype=float), right, total)
    every = np.array([*map(float, scores), *[-1.0] * (total - len(scores))])
    wrong = np.delete(every, right)
    places = np.sort(every[right])[::-1]
    assert above.tolist() == [int((wrong > place).sum()) for place in places]
    assert tied.tolist() == [int((wrong == place).sum()) for place in places]


def test_a_search_is_measured_beside_bm25(dense, queries):
    found = measured(dense, queries, by="vectors")
    assert (found.queries, found.by, found.primary) == (len(TEXTS) - 1, "vectors", "mrr")
    assert tuple(found.metrics) == tuple(found.baseline) == METRICS
    assert found.difference.value == pytest.approx(found.metrics["mrr"].value - found.baseline["mrr"].value)
    assert found.difference.low <= found.difference.value <= found.difference.high
    alone = measured(dense, queries, by="bm25")
    assert alone.metrics == found.baseline
    assert (alone.baseline, alone.difference) == (None, None)
    assert alone.metrics["recall-at-10"].value > 0.9
    document = found.to_json()
    assert document["metrics"]["mrr"]["n"] == len(TEXTS) - 1
    assert document["difference"]["metric"] == "mrr"


def test_recall_is_that_of_the_served_hits(dense, queries):
    right: dict[str, set[str]] = {}
    for number, text in enumerate(TEXTS):
        right.setdefault(text.partition(".")[0], set()).add(f"d{number}")
    hits = Index.open(dense).search(list(right), 200, by="vectors")
    first = [set(list(dict.fromkeys(hit.id for hit in found))[:5]) for found in hits]
    shares = [len(ids & known) / len(known) for ids, known in zip(first, right.values(), strict=True)]
    assert measured(dense, queries, by="vectors").metrics["recall-at-5"].value == pytest.approx(np.mean(shares))


def test_a_scorer_is_measured_too(dense, queries):
    class Zero:
        def scores(self, pairs):
            return np.zeros(len(pairs))

    found = measured(dense, queries, by="bm25", rerank=Zero(), depth=20)
    assert found.by == "bm25, re-ranked"
    assert found.metrics["mrr"].value < found.baseline["mrr"].value, "equal scores are ties"


def test_without_what_is_right_there_are_hits(dense, tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text("query\nrefund\ncard\nrefund\n")
    found = verbs.search_file(dense, str(path), k=2)
    assert isinstance(found, list)
    assert [of.query for of in found] == ["refund", "card"]
    assert all(len(of.hits) == 2 for of in found)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("query,relevant\nrefund,d99\n", r"queries.csv, line 2: the index has no document 'd99'.*Did you mean"),
        ("query,relevant\n ,d1\n", "queries.csv, line 2: the query is empty"),
        ("query,relevant\n", "queries.csv"),
        ("question,relevant\na,d1\n", "query"),
    ],
)
def test_queries_that_cannot_be_measured(rows, told, dense, tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text(rows)
    with pytest.raises(DataError, match=told):
        verbs.search_file(dense, str(path))
