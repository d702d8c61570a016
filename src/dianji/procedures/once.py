"""The usual procedure: the loop runs once, on all training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from dianji.procedures.base import Material, Round
from dianji.registry import component


@component("procedure", "once")
@dataclass(frozen=True)
class Once:
    """One round on the whole training split."""

    single: ClassVar[bool] = True

    def next(self, done: Sequence[Mapping[str, float]]) -> Round | None:
        """The first round, and no other."""
        return None if done else Round(0)

    def rows(self, round: Round, material: Material) -> pa.Table:
        """All of them."""
        return material.train
