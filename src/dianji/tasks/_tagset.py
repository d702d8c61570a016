"""The classes of a tagger: ``O`` and the tags of its labels, which may follow which, spans to numbers and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dianji.data.schemes import OUTSIDE, Span, parse, spans_of, tags_of
from dianji.tasks._chains import NEVER, Chain

#: ``plain``: tags without positions, such as parts of speech; every word is a span of its own.
TagScheme = Literal["bio", "bioes", "plain"]
_POSITIONS = {"bio": "BI", "bioes": "BIES"}


@dataclass(frozen=True)
class TagSet:
    """Class 0 is ``O``; then, label by label, the positions of the scheme."""

    labels: tuple[str, ...]
    scheme: TagScheme

    @cached_property
    def names(self) -> tuple[str, ...]:
        """By class number."""
        if self.scheme == "plain":
            return (OUTSIDE, *self.labels)
        positions = _POSITIONS[self.scheme]
        return (OUTSIDE, *(f"{position}-{label}" for label in self.labels for position in positions))

    def numbers(self, spans: Iterable[Span], words: int) -> list[int]:
        """(words,) class numbers; the spans do not overlap, and their labels are known."""
        if self.scheme == "plain":
            numbers = [0] * words
            for span in spans:
                numbers[span.start : span.end] = [self._number[span.label]] * (span.end - span.start)
            return numbers
        return [self._number[tag] for tag in tags_of(spans, words, self.scheme)]

    def spans(self, numbers: Sequence[int] | np.ndarray) -> list[Span]:
        """The spans of a sequence of classes, read as ``schemes.spans_of`` reads tags."""
        return spans_of([self.names[number] for number in numbers])

    @property
    def chain(self) -> Chain:
        """Score 0 for every transition that the scheme allows, ``NEVER`` for the others."""
        tags = [parse(name) for name in self.names]
        opening = [tag.position in ("O", "B", "S") for tag in tags]
        closing = [tag.position in ("O", "E", "S") or self.scheme != "bioes" for tag in tags]
        allowed = [
            [
                before.label == after.label and before.position in ("B", "I")
                if after.position in ("I", "E")
                else closing[place]
                for after in tags
            ]
            for place, before in enumerate(tags)
        ]
        return Chain(_scores(allowed), _scores(opening), _scores(closing))

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}


def _scores(allowed: Sequence[bool] | Sequence[Sequence[bool]]) -> Tensor:
    return torch.where(torch.tensor(allowed), 0.0, NEVER)
