"""Exact search equals sorting all cosines, whatever the chunks; FAISS finds most of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.errors import ArtefactError, CapabilityError
from dianji.retrieval import approximate, vectors
from dianji.retrieval.approximate import Lists
from dianji.retrieval.vectors import nearest, read_vectors, write_vectors


def unit(rows, width, seed, distinct=None):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(distinct or rows, width)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found[rng.integers(0, len(found), rows)] if distinct else found


def sorted_cosines(queries, held, k):
    scores = np.stack([(held.astype(np.float64) * query.astype(np.float64)).sum(axis=1) for query in queries])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


@given(st.integers(1, 90), st.integers(1, 100), st.integers(1, 12), st.integers(0, 99))
def test_it_equals_sorting_everything_also_among_equal_vectors(rows, k, distinct, seed):
    held, queries = unit(rows, 8, seed, distinct), unit(5, 8, seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "_CHUNK", 17)
        patch.setattr(vectors, "_QUERIES", 2)
        patch.setattr(vectors, "_SPARE", 1)
        found = nearest(queries, held, k)
    order, scores = sorted_cosines(queries, held, k)
    assert np.array_equal(found.passages[:, : order.shape[1]], order)
    assert np.array_equal(found.scores[:, : order.shape[1]], scores)
    assert (found.passages[:, order.shape[1] :] == -1).all()


def test_a_query_is_answered_the_same_in_any_company():
    held, queries = unit(500, 16, 0), unit(30, 16, 1)
    together = nearest(queries, held, 10)
    for row in range(len(queries)):
        alone = nearest(queries[row : row + 1], held, 10)
        assert np.array_equal(alone.passages[0], together.passages[row])
        assert np.array_equal(alone.scores[0], together.scores[row])


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_vectors_come_back_from_their_file(rows, tmp_path):
    held = unit(rows, 4, 0) if rows else np.zeros((0, 4), dtype=np.float32)
    write_vectors(tmp_path / "v.safetensors", "key", np.array_split(held, 2), held.shape)
    assert np.array_equal(read_vectors(tmp_path / "v.safetensors"), held)


def test_a_file_that_is_cut_short(tmp_path):
    path = tmp_path / "v.safetensors"
    write_vectors(path, "key", [unit(5, 4, 0)], (5, 4))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ArtefactError, match="its size is not that of its header"):
        read_vectors(path)


class TestLists:
    @pytest.fixture(autouse=True)
    def _few_are_enough(self, monkeypatch):
        pytest.importorskip("faiss")
        monkeypatch.setattr(approximate, "LEAST", 500)

    def test_all_lists_give_the_exact_answer(self, tmp_path):
        held, queries = unit(800, 8, 0), unit(20, 8, 1)
        lists = Lists.fit(held)
        few = lists.nearest(queries, 10)
        lists.probes = lists.count
        every, exact = lists.nearest(queries, 10), nearest(queries, held, 10)
        assert np.array_equal(every.passages, exact.passages)
        assert np.array_equal(every.scores, exact.scores)
        assert not np.array_equal(few.passages, exact.passages)
        lists.write(tmp_path / "v.faiss")
        again = Lists.read(tmp_path / "v.faiss", held, 1)
        assert np.array_equal(again.nearest(queries, 10).passages, few.passages)

    def test_too_few_vectors(self):
        with pytest.raises(CapabilityError, match=r"expected at least 500, found 20\. Use exact search"):
            Lists.fit(unit(20, 8, 0))

    def test_a_damaged_file_and_one_of_other_vectors(self, tmp_path):
        Lists.fit(unit(800, 8, 0)).write(tmp_path / "v.faiss")
        with pytest.raises(ArtefactError, match="holds 800 vectors of 8 numbers, expected 700 of 8"):
            Lists.read(tmp_path / "v.faiss", unit(700, 8, 0), 1)
        (tmp_path / "v.faiss").write_bytes(b"nothing")
        with pytest.raises(ArtefactError, match="FAISS cannot read it"):
            Lists.read(tmp_path / "v.faiss", unit(800, 8, 0), 1)


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(CapabilityError, match=r'pip install "dianji\[retrieval\]"'):
        Lists.fit(unit(20, 8, 0))
