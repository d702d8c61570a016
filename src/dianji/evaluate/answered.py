"""The outcome of extractive question answering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.outcome import Answer, Outcome
from dianji.evaluate.ragged import Ragged


@dataclass(frozen=True, eq=False)
class Answered(Outcome):
    """Agreement with the expected answers, for the best passage and for saying that there is none.

    A row is said to have no answer where ``gap`` is above the threshold, so that a threshold can be chosen afterwards.
    """

    exact: np.ndarray  # (rows,) float64, 0 or 1, of the best passage
    f1: np.ndarray  # (rows,) float64 in [0, 1], of the best passage
    unanswerable: np.ndarray  # (rows,) bool: nothing is expected
    gap: np.ndarray  # (rows,) float64: score of "no answer" less that of the best passage
    #: UTF-8 of the best passage and of the first expected answer.
    given_text: Ragged
    true_text: Ragged
    threshold: float = float(np.finfo(np.float32).max)

    CHOICES: ClassVar[int] = 1000

    def silent(self) -> np.ndarray:
        """(rows,) bool: answered by "no answer"."""
        return np.asarray(self.gap > self.threshold)

    def exact_values(self) -> np.ndarray:
        """(rows,) float64."""
        return np.where(self.silent(), self.unanswerable, self.exact).astype(np.float64)

    def f1_values(self) -> np.ndarray:
        """(rows,) float64."""
        return np.where(self.silent(), self.unanswerable, self.f1).astype(np.float64)

    def right(self) -> np.ndarray:
        """(rows,) bool: an exact match."""
        return self.exact_values() > 0

    def best_threshold(self) -> float:
        """The threshold with the largest mean F1 on these rows; of equals the largest, which answers most."""
        order = np.argsort(-self.gap, kind="stable")
        gain = np.cumsum(self.unanswerable[order].astype(np.float64) - self.f1[order])
        # A cut lies between two different gaps only.
        ends = np.append(np.diff(self.gap[order]) != 0, True)
        gains = np.where(ends, gain, -np.inf)
        best = int(gains.argmax()) if len(gains) else 0
        if not len(gains) or gains[best] <= 0:
            return self.threshold
        after = self.gap[order[best + 1]] if best + 1 < len(order) else self.gap[order[best]] - 1.0
        return float((self.gap[order[best]] + after) / 2)

    def describe(self, row: int) -> Answer:
        """Two passages; ``–`` stands for none."""
        given = "–" if self.silent()[row] else bytes(self.given_text[row]).decode("utf-8")
        true = "–" if self.unanswerable[row] else bytes(self.true_text[row]).decode("utf-8")
        return Answer(true, given)

    def check(self) -> list[str]:
        """Also: agreement lies between 0 and 1."""
        faults = super().check()
        for name, values in (("exact", self.exact), ("f1", self.f1)):
            if not ((values >= 0) & (values <= 1)).all():
                faults.append(f"{name}: a value is below 0 or above 1")
        return faults


def as_bytes(texts: list[str]) -> Ragged:
    """Texts as UTF-8, one entry each."""
    parts = [np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8) for text in texts]
    return Ragged.of(parts) if parts else Ragged(np.empty(0, np.uint8), np.zeros(1, np.int64))
