"""Tags of words as arrays: ragged and padded, decoded, as outcome and as predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from dianji.evaluate.ragged import Ragged, offsets_of
from dianji.evaluate.spans import SURE, Spans
from dianji.tasks._chains import Best, viterbi
from dianji.tasks._tagset import TagSet
from dianji.tasks._words import Passage
from dianji.tasks.base import MARGIN, Outputs

IGNORED = -100
_CELLS = 2**20  # words, padding included, that are decoded at a time


class Decoded(NamedTuple):
    """Of each row a class per word, and by how much it beats the best path with another class there."""

    tags: Ragged
    margins: Ragged


@dataclass(frozen=True)
class FoundSpan:
    """Words with a label. ``start`` and ``end`` count characters of a text, or words where a list of them was given."""

    label: str
    text: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class SpansPrediction:
    """The spans of a row, in order, and the tag of each word."""

    spans: tuple[FoundSpan, ...]
    words: tuple[str, ...]
    tags: tuple[str, ...]
    #: What ``start`` and ``end`` count.
    unit: str

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """``{"spans": [{"label", "text", "start", "end", "probability"}], "unit"}``; ``everything``: words and tags."""
        short: dict[str, Any] = {"spans": [vars(span) for span in self.spans], "unit": self.unit}
        return {**short, "words": list(self.words), "tags": list(self.tags)} if everything else short


def ragged(values: Tensor, lengths: Tensor) -> Ragged:
    """(words, …) of rows with so many words each."""
    return Ragged(values.cpu().numpy(), offsets_of(lengths.cpu().numpy()))


def ragged_of(column: pa.ChunkedArray) -> Ragged:
    """A list column of numbers."""
    lists = column.combine_chunks()
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return Ragged(lists.flatten().to_numpy(), offsets - offsets[0])


def grid_of(values: Tensor, items: Tensor) -> Tensor:
    """(words, width) at the true places of ``items`` (rows, time) -> (rows, most words of a row, width), else zero."""
    lengths = items.sum(dim=1)
    real = torch.arange(int(lengths.max()) if len(lengths) else 0, device=items.device) < lengths.unsqueeze(1)
    grid = values.new_zeros((*real.shape, values.shape[1]))
    return grid.masked_scatter(real.unsqueeze(2), values)


def crf_outputs(marginals: Tensor, best: Best, lengths: Tensor) -> Outputs:
    """``scores``, ``tags`` and their margin, of padded (rows, time, …)."""
    real = torch.arange(marginals.shape[1], device=marginals.device) < lengths.unsqueeze(1)
    return {
        "scores": ragged(marginals[real], lengths),
        "tags": ragged(best.path[real], lengths),
        f"tags{MARGIN}": ragged(best.margin[real], lengths),
    }


def decode(tags: TagSet, scores: Ragged) -> Decoded:
    """The best sequence that the scheme allows, of log-probabilities (words, tags) of each row."""
    order = np.argsort(-scores.lengths, kind="stable")
    found = np.zeros(len(scores.values), dtype=np.int64)
    margins = np.full(len(scores.values), SURE, dtype=np.float32)
    for rows in _groups(scores.lengths, order):
        part = scores.take(rows)
        lengths = torch.from_numpy(part.lengths)
        real = torch.arange(int(part.lengths.max(initial=0))) < lengths.unsqueeze(1)
        grid = torch.zeros(*real.shape, part.values.shape[1])
        grid[real] = torch.from_numpy(np.ascontiguousarray(part.values))
        best = viterbi(grid, lengths, tags.chain)
        places = np.concatenate([np.arange(scores.offsets[row], scores.offsets[row + 1]) for row in rows.tolist()])
        found[places], margins[places] = best.path[real].numpy(), best.margin[real].numpy()
    return Decoded(Ragged(found, scores.offsets), Ragged(margins, scores.offsets))


def outcome(tags: TagSet, gold: Ragged, given: Ragged, margins: Ragged) -> Spans:
    """Of classes per word."""
    hits = np.bincount(gold.entries, gold.values == given.values, minlength=len(gold)).astype(np.int64)
    least = np.full(len(gold), SURE, dtype=np.float32)
    np.minimum.at(least, margins.entries, np.minimum(margins.values, SURE).astype(np.float32))
    return Spans(
        labels=tags.labels,
        gold=_spans(tags, gold),
        given=_spans(tags, given),
        tokens=gold.lengths.astype(np.int64),
        hits=hits,
        margins=least,
    )


def prediction(tags: TagSet, passage: Passage, numbers: np.ndarray, scores: np.ndarray) -> SpansPrediction:
    """Of one row."""
    chances = scores[np.arange(len(numbers)), numbers] if len(numbers) else np.empty(0)
    spans = []
    for span in tags.spans(numbers):
        start, end = passage.starts[span.start], passage.ends[span.end - 1]
        place = (span.start, span.end) if passage.given else (start, end)
        probability = math.exp(float(chances[span.start : span.end].min()))
        spans.append(FoundSpan(span.label, passage.text[start:end], *place, min(1.0, probability)))
    names = tuple(tags.names[number] for number in numbers.tolist())
    return SpansPrediction(tuple(spans), tuple(passage.words), names, "words" if passage.given else "characters")


def _groups(lengths: np.ndarray, order: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of like length, the longest first, so few at a time that their padded size stays within bounds."""
    start = 0
    while start < len(order):
        step = max(1, _CELLS // max(1, int(lengths[order[start]])))
        yield order[start : start + step]
        start += step


def _spans(tags: TagSet, numbers: Ragged) -> Ragged:
    label = {name: number for number, name in enumerate(tags.labels)}
    found: Sequence[list[list[int]]] = [
        [[span.start, span.end, label[span.label]] for span in tags.spans(row)] for row in numbers
    ]
    values = np.array([span for row in found for span in row], dtype=np.int64).reshape(-1, 3)
    return Ragged(values, offsets_of([len(row) for row in found]))
