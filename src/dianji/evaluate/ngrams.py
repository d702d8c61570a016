"""n-grams of answers and references, counted row by row: what BLEU, chrF and ROUGE are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

#: A sequence that can be sliced into n-grams: words as a tuple, or characters as a text.
Units = Sequence[Any]


def ngrams(units: Units, order: int) -> Counter[Any]:
    """How often each n-gram of ``order`` units occurs."""
    return Counter(units[start : start + order] for start in range(len(units) - order + 1))


def overlap(first: Counter[Any], second: Counter[Any]) -> int:
    """n-grams that occur in both, each as often as in the one that has fewer."""
    small, large = (first, second) if len(first) <= len(second) else (second, first)
    return sum(min(count, large[gram]) for gram, count in small.items() if gram in large)


def common_subsequence(first: Sequence[Any], second: Sequence[Any]) -> int:
    """Length of the longest common subsequence, by whole numbers as rows of bits (Hyyrö, 2004)."""
    places: dict[Any, int] = {}
    for place, unit in enumerate(first):
        places[unit] = places.get(unit, 0) | (1 << place)
    every = (1 << len(first)) - 1
    row = every
    for unit in second:
        hits = row & places.get(unit, 0)
        row = ((row + hits) | (row - hits)) & every
    return len(first) - row.bit_count()
