"""Re-ranking: a model that reads query and passage together puts the first hits into a better order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from dianji.artefact.opened import Model
from dianji.errors import CapabilityError
from dianji.registry import key_of
from dianji.retrieval.ranking import Ranking

#: Hits of each query that are read again, unless more are asked for.
DEPTH = 50


class PairScorer(Protocol):
    """Scores pairs of texts."""

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """(pairs,) how well the second text of each pair answers the first; higher is better."""
        ...


@dataclass(frozen=True)
class ArtefactScorer:
    """An artefact whose task reads two texts and says by ``Task.pair_scores`` how well they go together."""

    model: Model

    @classmethod
    def open(cls, folder: Path | str) -> ArtefactScorer:
        """Open an artefact.

        Raises:
            ArtefactError: not an artefact, or a file has changed since it was saved.
            CapabilityError: its task does not read two texts.
        """
        model = Model.open(folder)
        inputs = model.task.inputs
        if len(inputs) != 2 or any(column.kind != "text" for column in inputs.values()):
            raise CapabilityError(_unfit(model))
        return cls(model)

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """See ``PairScorer``.

        Raises:
            CapabilityError: the task gives no scores of pairs.
        """
        columns = [pa.array([pair[side] for pair in pairs], pa.string()) for side in (0, 1)]
        outputs = self.model.outputs(pa.table(dict(zip(self.model.task.inputs, columns, strict=True))))
        found = self.model.task.pair_scores(outputs)
        if found is None:
            raise CapabilityError(_unfit(self.model))
        return found


def _unfit(model: Model) -> str:
    return (
        f"{model.folder}: a model of {key_of(model.task).name} scores no pairs of texts. Expected one that reads a "
        "query and a passage: text-pair-classification with one label such as 'relevant', 'yes' or '1', or "
        "text-regression with pair: true and one number."
    )


def reranked(
    scorer: PairScorer, ranking: Ranking, queries: Sequence[str], texts: Sequence[Sequence[str]], k: int
) -> Ranking:
    """The passages of ``ranking`` by the scorer's scores.

    Args:
        scorer: reads every pair.
        ranking: the first hits of each query.
        queries: their texts.
        texts: of the passages, query by query.
        k: how many are kept.
    """
    pairs = [(query, text) for query, found in zip(queries, texts, strict=True) for text in found]
    scores = np.asarray(scorer.scores(pairs), dtype=np.float64) if pairs else np.empty(0)
    ends = np.cumsum([len(found) for found in texts])[:-1]
    rows = [
        (ranking.found(row)[0][np.argsort(-some, kind="stable")], np.sort(some)[::-1])
        for row, some in enumerate(np.split(scores, ends))
    ]
    # Equal scores keep the order of the first ranking, so passages are not sorted again by ``Ranking.of``.
    passages = np.full((len(rows), k), -1, dtype=np.int64)
    kept = np.full((len(rows), k), -np.inf)
    for row, (found, score) in enumerate(rows):
        passages[row, : len(found[:k])], kept[row, : len(score[:k])] = found[:k], score[:k]
    return Ranking(passages, kept)
