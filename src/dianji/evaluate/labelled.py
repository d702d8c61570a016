"""Outcomes of classification: one label per row, or several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from dianji.evaluate.confident import likely_errors
from dianji.evaluate.counts import Counts, count, one_hot
from dianji.evaluate.outcome import Answer, Decisions, Outcome, Suspect

#: Probabilities are stored in float32.
_SUMS = 1e-4


@dataclass(frozen=True, eq=False)
class Labelled(Outcome):
    """Rows with labels, each label with a probability."""

    labels: tuple[str, ...]
    target: np.ndarray
    probabilities: np.ndarray  # (rows, labels) float32

    def indicators(self) -> tuple[csr_matrix, csr_matrix]:
        """Truth and answer as sparse (rows, labels) of 0 and 1."""
        raise NotImplementedError

    def given(self) -> np.ndarray:
        """The answers, in the form of ``target``."""
        raise NotImplementedError

    def counts(self, weights: np.ndarray) -> Counts:
        """Per label."""
        return count(*self.indicators(), weights)

    def support(self) -> Mapping[str, int]:
        """Rows of each label that occurs."""
        target, _ = self.indicators()
        found = np.asarray(target.sum(axis=0)).ravel().astype(int).tolist()
        return {label: rows for label, rows in zip(self.labels, found, strict=True) if rows}

    def check(self) -> list[str]:
        """Also: probabilities are probabilities."""
        faults = super().check()
        if self.probabilities.shape[1:] != (len(self.labels),):
            return [*faults, f"columns: expected {[len(self.labels)]}, found {list(self.probabilities.shape[1:])}"]
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            faults.append("a probability is below 0 or above 1")
        return faults


@dataclass(frozen=True, eq=False)
class Classified(Labelled):
    """One label per row: ``target`` (rows,) int64; ``probabilities`` of a row sum to 1."""

    def given(self) -> np.ndarray:
        """(rows,) int64: the most likely label."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    def indicators(self) -> tuple[csr_matrix, csr_matrix]:
        """See ``Labelled``."""
        return one_hot(self.target, len(self.labels)), one_hot(self.given(), len(self.labels))

    def truth(self) -> np.ndarray:
        """(rows,) int64."""
        return self.target

    def right(self) -> np.ndarray:
        """(rows,) bool."""
        return np.asarray(self.given() == self.target)

    def decisions(self) -> Decisions:
        """One per row: the most likely label."""
        confidence = self.probabilities.astype(np.float64).max(axis=1)
        return Decisions(confidence[:, None], self.right()[:, None])

    def suspects(self) -> list[Suspect]:
        """By confident learning over the labels that occur; an empty list where only one does."""
        present, target = np.unique(self.target, return_inverse=True)
        if len(present) < 2:
            return []
        probabilities = self.probabilities[:, present].astype(np.float64)
        total = np.maximum(probabilities.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        return [self._suspect(row) for row in likely_errors(target, probabilities / total).tolist()]

    def confusion(self) -> list[Any]:
        """``[i][j]``: rows of label i that were given label j."""
        target, given = self.indicators()
        table: list[Any] = (target.T @ given).toarray().astype(int).tolist()
        return table

    def describe(self, row: int) -> Answer:
        """Two labels."""
        return Answer(self.labels[int(self.target[row])], self.labels[int(self.probabilities[row].argmax())])

    def _suspect(self, row: int) -> Suspect:
        shares, label = self.probabilities[row], int(self.target[row])
        best = int(shares.argmax())
        return Suspect(row, self.labels[label], float(shares[label]), self.labels[best], float(shares[best]))

    def check(self) -> list[str]:
        """Also: probabilities sum to 1, classes are among the labels."""
        faults = super().check()
        if not faults and (np.abs(self.probabilities.sum(axis=1, dtype=np.float64) - 1) > _SUMS).any():
            faults.append("the probabilities of a row do not sum to 1")
        if self.target.min(initial=0) < 0 or self.target.max(initial=0) >= len(self.labels):
            faults.append("a row's class is none of the labels")
        return faults


@dataclass(frozen=True, eq=False)
class Tagged(Labelled):
    """Several labels per row: ``target`` (rows, labels) bool; each label has a probability of its own."""

    threshold: float = 0.5

    def given(self) -> np.ndarray:
        """(rows, labels) bool: labels of at least the threshold."""
        return np.asarray(self.probabilities >= self.threshold)

    def indicators(self) -> tuple[csr_matrix, csr_matrix]:
        """See ``Labelled``."""
        return csr_matrix(self.target, dtype=np.float64), csr_matrix(self.given(), dtype=np.float64)

    def right(self) -> np.ndarray:
        """(rows,) bool: all labels of the row, and no other."""
        return np.asarray((self.given() == self.target).all(axis=1))

    def decisions(self) -> Decisions:
        """One per label: whether the row has it."""
        probabilities, given = self.probabilities.astype(np.float64), self.given()
        return Decisions(np.where(given, probabilities, 1 - probabilities), given == self.target)

    def confusion(self) -> list[Any]:
        """``[i]`` is ``[[neither, wrongly given], [missed, hit]]`` of label i."""
        counts = self.counts(np.ones((1, self.rows)))
        hits, predicted, support = (of[0].astype(int) for of in (counts.hits, counts.predicted, counts.support))
        neither = self.rows - predicted - support + hits
        table: list[Any] = (
            np.stack([neither, predicted - hits, support - hits, hits], axis=1).reshape(-1, 2, 2).tolist()
        )
        return table

    def describe(self, row: int) -> Answer:
        """Two lists of labels."""
        return Answer(self._names(self.target[row]), self._names(self.given()[row]))

    def _names(self, which: np.ndarray) -> str:
        return ", ".join(self.labels[place] for place in np.flatnonzero(which)) or "–"
