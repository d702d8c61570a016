"""Hard negatives: for each pair of texts, others that a model takes for the partner although they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

#: Similarities that are held at once.
_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Mining:
    """Which candidates become negatives.

    Args:
        negatives: rows that are made of each pair, one negative each, the most similar ones first.
        margin: a candidate whose cosine is above that of the pair less the margin is probably another right answer (a
            false negative), and is passed over (as NV-Retriever does; Moreira et al., 2024, arXiv:2407.15831).
        skip: of the candidates that are left, how many of the most similar ones are passed over too.
    """

    negatives: int = 1
    margin: float = 0.05
    skip: int = 0


def mine(
    texts: Sequence[str], positives: Sequence[str], vectors: tuple[np.ndarray, np.ndarray], rule: Mining
) -> tuple[pa.Table, np.ndarray]:
    """Triplets of pairs, with negatives from the positives of other texts.

    Neither the text itself nor any positive of an equal text becomes its negative.

    Args:
        texts: one for each pair.
        positives: one for each pair.
        vectors: (pairs, width) of the texts, and of the positives; of any length.
        rule: which candidates are taken.

    Returns:
        ``text``, ``positive``, ``negative``, and (triplets,) int64 the pair of each, in the order of the pairs. A pair
        for which no candidate is left has no row; one with fewer than ``rule.negatives`` has fewer.
    """
    names = list(dict.fromkeys(positives))
    place = {name: number for number, name in enumerate(names)}
    first = {name: row for row, name in reversed(list(enumerate(positives)))}
    queries, partners = _unit(vectors[0]), _unit(vectors[1])
    collection = partners[[first[name] for name in names]] if names else partners[:0]
    known: dict[str, set[int]] = {}
    for text, positive in zip(texts, positives, strict=True):
        known.setdefault(text, set()).add(place[positive])
    rows: list[int] = []
    chosen: list[str] = []
    for row, similar in _similarities(queries, collection):
        similar[[*known[texts[row]], *([place[texts[row]]] if texts[row] in place else [])]] = -np.inf
        similar[similar > queries[row] @ partners[row] - rule.margin] = -np.inf
        for candidate in _best(similar, rule):
            rows.append(row)
            chosen.append(names[candidate])
    made = {"text": [texts[row] for row in rows], "positive": [positives[row] for row in rows], "negative": chosen}
    columns = {name: pa.array(values, pa.string()) for name, values in made.items()}
    return pa.table(columns), np.array(rows, dtype=np.int64)


def _best(similar: np.ndarray, rule: Mining) -> list[int]:
    """The most similar candidates that are left; equal ones in their order."""
    wanted = min(rule.skip + rule.negatives, len(similar))
    if wanted == 0:
        return []
    least = np.partition(similar, len(similar) - wanted)[len(similar) - wanted]
    near = np.flatnonzero(similar >= least)
    ranked = near[np.argsort(-similar[near], kind="stable")][rule.skip : wanted]
    return [int(candidate) for candidate in ranked if np.isfinite(similar[candidate])]


def _similarities(queries: np.ndarray, collection: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    step = max(1, _AT_ONCE // max(1, len(collection)))
    for start in range(0, len(queries), step):
        yield from enumerate(queries[start : start + step] @ collection.T, start)


def _unit(vectors: np.ndarray) -> np.ndarray:
    found = np.asarray(vectors, dtype=np.float32)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float32).tiny))
