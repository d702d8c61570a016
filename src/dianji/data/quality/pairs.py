"""Pairs of like items without comparing all with all: items that share a band are compared, the others never are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

#: Partners of an item per bucket. Buckets are small, but for rows from one template: there a chain of neighbours links
#: them all, and the time stays proportional to the rows.
REACH = 16


class Measure(Protocol):
    """How alike items are, and which of them are worth comparing."""

    @property
    def bands(self) -> np.ndarray:
        """(items, bands) integers; like items share at least one, very probably or certainly."""
        ...

    @property
    def least(self) -> float:
        """From this likeness on, items are near-duplicates."""
        ...

    def likeness(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """(pairs,) in [0, 1], computed exactly, for the items ``left`` and ``right``; 1 is equal."""
        ...


@dataclass(frozen=True)
class Pairs:
    """Verified pairs, each entry a pair."""

    left: np.ndarray  # (pairs,) int64
    right: np.ndarray  # (pairs,) int64
    likeness: np.ndarray  # (pairs,) float64

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """One after the other."""
        none = np.empty(0, dtype=np.int64)
        return cls(
            np.concatenate([none, *(part.left for part in parts)]),
            np.concatenate([none, *(part.right for part in parts)]),
            np.concatenate([none.astype(np.float64), *(part.likeness for part in parts)]),
        )

    def best(self) -> Pairs:
        """Of the pairs with the same left item the likeliest."""
        order = np.lexsort((self.right, -self.likeness, self.left))
        chosen = order[np.unique(self.left[order], return_index=True)[1]]
        return Pairs(self.left[chosen], self.right[chosen], self.likeness[chosen])

    def groups(self, items: int) -> np.ndarray:
        """(items,) the number of the group that chains of pairs put an item into; an item alone has its own."""
        if not len(self.left):
            return np.arange(items)

        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        ones = np.ones(len(self.left), dtype=bool)
        graph = coo_matrix((ones, (self.left, self.right)), shape=(items, items))
        return np.asarray(connected_components(graph, directed=False)[1])


def within(measure: Measure) -> Pairs:
    """Pairs (left < right) that link every group of like items; a pair that a chain links already may be left out."""
    items = len(measure.bands)
    found: list[Pairs] = []
    group = np.arange(items)
    for band in measure.bands.T:
        left, right = _neighbours(band)
        apart = group[left] != group[right]
        like = _verified(measure, left[apart], right[apart])
        if len(like.left):
            found.append(like)
            group = Pairs.joined(found).groups(items)
    return Pairs.joined(found)


def across(measure: Measure, queries: np.ndarray, targets: np.ndarray) -> Pairs:
    """A pair (query, target) for each of ``queries`` that is like one of ``targets``, in the order of the queries."""
    found: list[Pairs] = []
    open_ = np.asarray(queries, dtype=np.int64)
    for band in measure.bands.T:
        ordered = targets[np.argsort(band[targets], kind="stable")]
        best = _verified(measure, *_partners(band, open_, ordered)).best()
        found.append(best)
        open_ = np.setdiff1d(open_, best.left, assume_unique=True)
    pairs = Pairs.joined(found)
    order = np.argsort(pairs.left, kind="stable")
    return Pairs(pairs.left[order], pairs.right[order], pairs.likeness[order])


def _neighbours(band: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of each item with those that follow it in its bucket."""
    order = np.argsort(band, kind="stable")
    ranked = band[order]
    left, right = [order[:0]], [order[:0]]
    for step in range(1, min(REACH, len(order) - 1) + 1):
        same = ranked[step:] == ranked[:-step]
        if not same.any():
            break
        left.append(order[:-step][same])
        right.append(order[step:][same])
    return np.concatenate(left), np.concatenate(right)


def _partners(band: np.ndarray, queries: np.ndarray, ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of each query with partners in its bucket; queries of a crowded bucket begin at different ones."""
    ranked = band[ordered]
    first = np.searchsorted(ranked, band[queries], side="left")
    size = np.searchsorted(ranked, band[queries], side="right") - first
    asked, partners = [queries[:0]], [ordered[:0]]
    for step in range(REACH):
        there = size > step
        asked.append(queries[there])
        partners.append(ordered[first[there] + (queries[there] + step) % size[there]])
    return np.concatenate(asked), np.concatenate(partners)


def _verified(measure: Measure, left: np.ndarray, right: np.ndarray) -> Pairs:
    likeness = measure.likeness(left, right)
    like = likeness >= measure.least
    return Pairs(left[like], right[like], likeness[like])
