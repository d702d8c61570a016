"""Fusion by ranks, and re-ranking by a scorer of pairs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

import dianji
from dianji import verbs
from dianji.errors import ArtefactError, CapabilityError
from dianji.retrieval.opened import Index
from dianji.retrieval.ranking import Ranking, fused
from dianji.retrieval.rerank import ArtefactScorer, reranked
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import toys
from tests.artefact.conftest import GOLDEN


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


RECIPE = """
name: toy
base: {new: transformer, layers: 1, width: 16}
data: {pairs: {path: pairs.csv, split: {validation: 0.25, test: 0.25}}}
stages:
  pairs:
    task: TASK
    data: pairs
    train: {steps: 1}
    evaluate: {resamples: 100, baselines: false}
"""


@pytest.fixture(scope="module")
def pairs_model(tmp_path_factory):
    """Trains a model of pairs for one step, in which the labels of the toys are renamed."""

    def train(task, same="relevant"):
        folder = tmp_path_factory.mktemp("pairs")
        table = toys.related_table()
        names = {"same": same, "different": "other"}
        labels = [names[label] for label in table["label"].to_pylist()]
        columns = {"label": labels, "score": [float(label == same) for label in labels]}
        texts = {name: table[name] for name in ("text", "other")}
        pyarrow.csv.write_csv(pa.table({**texts, **columns}), folder / "pairs.csv")
        recipe = Recipe.parse(RECIPE.replace("TASK", task), folder=folder)
        return verbs.run(recipe, store=Store(folder / "home")).stages[0].artefact

    return train


PAIRS = [("where is my card", "my card is late again"), ("where is my card", "cash"), ("cash", "where is my card")]


def test_a_classifier_of_pairs_scores_by_the_label_that_says_yes(pairs_model, dense):
    artefact = pairs_model("text-pair-classification")
    scores = ArtefactScorer.open(artefact).scores(PAIRS)
    rows = [{"text": text, "other": other} for text, other in PAIRS]
    predictions = dianji.open(artefact).predict(rows)
    expected = [prediction.to_json(everything=True)["probabilities"]["relevant"] for prediction in predictions]
    np.testing.assert_allclose(np.exp(scores), expected, atol=1e-6)
    index = Index.open(dense)
    first = index.rank(["where is my card"], 10, by="bm25")
    found = index.rank(["where is my card"], 10, by="bm25", rerank=artefact, depth=10)
    assert set(found.passages[0]) == set(first.passages[0])
    passages = [index.passage(int(number)) for number in found.passages[0]]
    again = ArtefactScorer.open(artefact).scores([("where is my card", passage) for passage in passages])
    np.testing.assert_allclose(found.scores[0], again, atol=1e-5)
    assert (np.diff(found.scores[0]) <= 0).all()


def test_a_regression_of_pairs_scores_by_its_number(pairs_model):
    artefact = pairs_model("{text-regression: {pair: true}}")
    scores = ArtefactScorer.open(artefact).scores(PAIRS)
    numbers = [p.to_json()["score"] for p in dianji.open(artefact).predict([{"text": a, "other": b} for a, b in PAIRS])]
    assert np.argsort(scores).tolist() == np.argsort(numbers).tolist()


def test_a_classifier_none_of_whose_labels_says_yes(pairs_model):
    scorer = ArtefactScorer.open(pairs_model("text-pair-classification", same="same"))
    with pytest.raises(CapabilityError, match="one label such as 'relevant'"):
        scorer.scores(PAIRS)


def test_a_model_of_single_texts_is_refused():
    with pytest.raises(CapabilityError, match="a model of text-classification scores no pairs of texts"):
        ArtefactScorer.open(GOLDEN / "artefact")
