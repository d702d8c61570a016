"""Fusion by ranks, and re-ranking by a scorer of pairs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from dianji.errors import ArtefactError, CapabilityError
from dianji.retrieval.ranking import Ranking, fused
from dianji.retrieval.rerank import ArtefactScorer, reranked


def ranking(*rows):
    return Ranking.of([(np.array(row), -np.arange(float(len(row)))) for row in rows], 4)


class Longest:
    def scores(self, pairs):
        return np.array([len(text) for _, text in pairs])


def test_ranks_are_fused():
    both = fused([ranking([7, 5, 3], [1]), ranking([5, 9], [])], 4)
    assert both.passages.tolist() == [[5, 7, 9, 3], [1, -1, -1, -1]]
    np.testing.assert_allclose(both.scores[0], [61 / 62 + 1, 1, 61 / 62, 61 / 63])
    assert both.scores[1].tolist() == [1, -np.inf, -np.inf, -np.inf]


def test_a_scorer_decides_and_ties_keep_their_order():
    first = ranking([7, 5, 3], [], [8])
    found = reranked(Longest(), first, ["a", "b", "c"], [["xx", "yyyy", "zz"], [], ["w"]], 2)
    assert found.passages.tolist() == [[5, 7], [-1, -1], [8, -1]]
    assert found.scores[0].tolist() == [4, 2]


def test_a_model_that_reads_no_pairs_is_refused(dense, toy_model):
    with pytest.raises(ArtefactError, match="not an artefact"):
        ArtefactScorer.open(toy_model)
    with pytest.raises(ArtefactError, match="an index of documents, not a model"):
        ArtefactScorer.open(dense)


class TwoTexts:
    """Stands for a task of pairs, until a registered one is opened here."""

    inputs: ClassVar = {"text": None, "other": None}

    def pair_scores(self, outputs):
        return outputs["score"]


class Opened:
    """Stands for an opened artefact of it: the share of the query's words that the passage has."""

    folder, task = "folder", TwoTexts()

    def outputs(self, rows):
        pairs = zip(rows["text"].to_pylist(), rows["other"].to_pylist(), strict=True)
        shares = [len({*one.split()} & {*other.split()}) / len(one.split()) for one, other in pairs]
        return {"score": np.array(shares)}


def test_an_artefact_scores_query_and_passage_in_this_order():
    scorer = ArtefactScorer(Opened())  # type: ignore[arg-type]  # a stand-in
    assert scorer.scores([("a b", "a c d e"), ("a b c d", "a c")]).tolist() == [0.5, 0.5]


def test_an_artefact_of_pairs_that_gives_no_scores(monkeypatch):
    monkeypatch.setattr(TwoTexts, "pair_scores", lambda self, outputs: None)
    monkeypatch.setattr("dianji.retrieval.rerank.key_of", lambda task: type("Key", (), {"name": "two-texts"}))
    with pytest.raises(CapabilityError, match="a model of two-texts scores no pairs of texts"):
        ArtefactScorer(Opened()).scores([("a", "b")])  # type: ignore[arg-type]  # a stand-in
