"""Schedules: the learning rate of a step as a fraction of the peak; pure, so that a resumed run needs only the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from dianji.registry import component

Fraction = Annotated[float, Field(ge=0, le=1)]


class Schedule(Protocol):
    """A frozen dataclass. ``warmup`` is the fraction of all steps in which the rate climbs to its peak, in a line."""

    warmup: float

    def factor(self, step: int, total: int) -> float:
        """The factor of the peak rate in step ``step`` (the first one is 0) of ``total``, in [0, 1].

        No step before ``total`` is wasted on a rate of zero; steps beyond keep the last value.
        """
        ...


@component("schedule", "constant")
@dataclass(frozen=True)
class Constant:
    """The peak, throughout."""

    warmup: Fraction = 0.0

    def factor(self, step: int, total: int) -> float:
        """One, after the warm-up."""
        climb, _ = _phase(step, total, self.warmup)
        return climb


@component("schedule", "linear")
@dataclass(frozen=True)
class Linear:
    """A line down to zero, the usual one in fine-tuning (Devlin et al., 2019, arXiv:1810.04805)."""

    warmup: Fraction = 0.06

    def factor(self, step: int, total: int) -> float:
        """``1 - progress``."""
        climb, progress = _phase(step, total, self.warmup)
        return climb * (1 - progress)


@component("schedule", "cosine")
@dataclass(frozen=True)
class Cosine:
    """Half a cosine wave down to zero (Loshchilov & Hutter, 2017, arXiv:1608.03983)."""

    warmup: Fraction = 0.06

    def factor(self, step: int, total: int) -> float:
        """``(1 + cos(pi * progress)) / 2``."""
        climb, progress = _phase(step, total, self.warmup)
        return climb * 0.5 * (1 + math.cos(math.pi * progress))


@component("schedule", "exponential")
@dataclass(frozen=True)
class Exponential:
    """Down by the same factor at every step, to ``final`` times the peak at the end."""

    warmup: Fraction = 0.06
    final: Annotated[float, Field(gt=0, le=1)] = 0.01

    def factor(self, step: int, total: int) -> float:
        """``final ** progress``."""
        climb, progress = _phase(step, total, self.warmup)
        return climb * float(self.final**progress)


@component("schedule", "polynomial")
@dataclass(frozen=True)
class Polynomial:
    """A power of the remaining share, to ``final`` times the peak at the end; power 1 is a line."""

    warmup: Fraction = 0.06
    power: Annotated[float, Field(gt=0)] = 2.0
    final: Fraction = 0.0

    def factor(self, step: int, total: int) -> float:
        """``final + (1 - final) * (1 - progress) ** power``."""
        climb, progress = _phase(step, total, self.warmup)
        return climb * float(self.final + (1 - self.final) * (1 - progress) ** self.power)


def _phase(step: int, total: int, warmup: float) -> tuple[float, float]:
    """(progress of the warm-up, progress of the rest), each in [0, 1]."""
    rising = int(total * warmup)
    climb = min(1.0, (step + 1) / (rising + 1))
    progress = (step - rising) / max(1, total - rising)
    return climb, min(1.0, max(0.0, progress))
