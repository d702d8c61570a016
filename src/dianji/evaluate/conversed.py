"""The outcome of instruction tuning: the last answers as they were written, and the likelihood of all answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from dianji.evaluate.generated import SURE, Generated, packed
from dianji.evaluate.outcome import Breakdown, row_distance
from dianji.evaluate.ragged import Ragged

#: Turns that have a group of their own in ``breakdown``; later ones share the last.
_TURNS = 8


@dataclass(frozen=True, eq=False)
class Conversed(Generated):
    """Written answers as in ``Generated``, of the last answer of each conversation; and what all its answers cost."""

    nll: np.ndarray  # (rows,) float64, summed over the tokens of all answers, in nats
    tokens: np.ndarray  # (rows,) int64, tokens of all answers, their ends included
    hits: np.ndarray  # (rows,) int64, of these the ones whose most likely value was right
    turn_nll: Ragged  # float64, the same of each answer of a row
    turn_tokens: Ragged  # int64

    @classmethod
    def told(
        cls,
        texts: tuple[Sequence[str], Sequence[str]],
        margin: np.ndarray | None,
        likelihood: Mapping[str, np.ndarray | Ragged],
    ) -> Self:
        """From (answers, references), the margins of the answers, and the other fields by name."""
        answers, references = texts
        sure = np.full(len(answers), SURE, dtype=np.float32)
        margins = sure if margin is None else margin.astype(np.float32)
        fields: dict[str, np.ndarray | Ragged] = dict(likelihood)
        return cls(packed(answers), packed(references), margins, **fields)  # type: ignore[arg-type]  # by name

    def check(self) -> list[str]:
        """Also: no more hits than tokens, no negative cost, turns that add up to their rows."""
        faults = super().check()
        if faults:
            return faults
        if ((self.hits < 0) | (self.hits > self.tokens)).any():
            faults.append("a row has more hits than predicted tokens")
        if (self.nll < 0).any() or (self.turn_nll.values < 0).any():
            faults.append("a row has a negative cost")
        if not np.array_equal(self.turn_nll.lengths, self.turn_tokens.lengths):
            faults.append("a row has other numbers of turns in turn_nll and turn_tokens")
        elif not np.array_equal(_sums(self.turn_tokens), self.tokens):
            faults.append("the tokens of a row's turns do not add up to the row's tokens")
        return faults

    def mean_of_turns(self) -> np.ndarray:
        """(rows,) float64: nats per token, averaged over the answers of each row."""
        per_turn = self.turn_nll.values / np.maximum(1, self.turn_tokens.values)
        counted = self.turn_tokens.values > 0
        sums = np.bincount(self.turn_nll.entries, weights=per_turn * counted, minlength=self.rows)
        return np.asarray(sums)

    def turns(self) -> np.ndarray:
        """(rows,) int64: answers of each row that have tokens."""
        counted = (self.turn_tokens.values > 0).astype(np.float64)
        return np.bincount(self.turn_tokens.entries, weights=counted, minlength=self.rows).astype(np.int64)

    def breakdown(self) -> Breakdown | None:
        """Loss and perplexity by the number of the answer in its conversation."""
        group = np.minimum(_places(self.turn_nll), _TURNS - 1)
        groups = []
        for number in np.unique(group).tolist():
            chosen = (group == number) & (self.turn_tokens.values > 0)
            tokens = int(self.turn_tokens.values[chosen].sum())
            if tokens:
                loss = float(self.turn_nll.values[chosen].sum() / tokens)
                name = f"{number + 1}" if number < _TURNS - 1 else f"{_TURNS} …"
                groups.append((name, int(chosen.sum()), {"loss": loss, "perplexity": float(np.exp(min(loss, 700.0)))}))
        return Breakdown("turn", tuple(groups)) if groups else None

    def distance(self, other: Self) -> np.ndarray:
        """As of ``Generated``, and the differences of the likelihoods."""
        worst = super().distance(other)
        ours, theirs = self.arrays(), other.arrays()
        for name in ("nll", "tokens", "turn_nll", "turn_tokens"):
            worst = np.maximum(worst, row_distance(ours[name], theirs[name]))
        return worst


def _places(rows: Ragged) -> np.ndarray:
    """(values,) int64: the place of each value in its row."""
    starts = rows.offsets[:-1]
    found: np.ndarray = np.arange(len(rows.values)) - starts[rows.entries]
    return found


def _sums(rows: Ragged) -> np.ndarray:
    return np.bincount(rows.entries, weights=rows.values, minlength=len(rows)).astype(np.int64)
