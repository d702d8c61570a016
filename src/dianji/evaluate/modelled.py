"""The outcome of language modelling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dianji.evaluate.outcome import Outcome


@dataclass(frozen=True, eq=False)
class Modelled(Outcome):
    """Likelihood of the predicted tokens of each row."""

    nll: np.ndarray  # (rows,) float64, summed over a row's predicted tokens, in nats
    tokens: np.ndarray  # (rows,) int64, predicted tokens
    hits: np.ndarray  # (rows,) int64, tokens whose most likely value was right

    def check(self) -> list[str]:
        """Also: no more hits than tokens, no negative cost."""
        faults = super().check()
        if not faults and ((self.hits < 0) | (self.hits > self.tokens)).any():
            faults.append("a row has more hits than predicted tokens")
        if (self.nll < 0).any():
            faults.append("a row has a negative cost")
        return faults
