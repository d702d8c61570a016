"""Vectors on the disk, mapped into memory, and the exact search for the nearest of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dianji.engine.frozen.file import Layout, write
from dianji.errors import ArtefactError
from dianji.retrieval.ranking import Ranking

#: Vectors that are multiplied with the queries at a time, and queries at a time: 64 MB of similarities.
_CHUNK, _QUERIES = 65536, 256
#: Candidates beyond ``k`` of which the exact similarity is computed.
_SPARE = 16
#: What rounding to fp32 can change of a cosine, with room to spare.
SLACK = 1e-5


def write_vectors(path: Path, key: str, blocks: Iterable[np.ndarray], shape: tuple[int, int]) -> None:
    """Blocks of float32 vectors as one safetensors file; ``key`` is kept in its header."""
    write(path, Layout(key, torch.float32, shape), (block for block in blocks if len(block)))


def read_vectors(path: Path) -> np.ndarray:
    """(vectors, width) float32, mapped into memory.

    Raises:
        ArtefactError: the file is damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            (held,) = (of for name, of in json.loads(file.read(length)).items() if name != "__metadata__")
        rows, width = held["shape"]
        if held["dtype"] != "F32" or path.stat().st_size != 8 + length + rows * width * 4:
            raise ValueError("its size is not that of its header")
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ArtefactError(f"{path}: the vectors cannot be read ({error}). Make the index again.") from error
    if not rows:
        return np.zeros((0, width), dtype=np.float32)
    return np.memmap(path, dtype=np.float32, mode="r", offset=8 + length, shape=(rows, width))


def nearest(queries: np.ndarray, vectors: np.ndarray, k: int) -> Ranking:
    """The ``k`` nearest vectors of each query by cosine; all vectors have length one.

    Products in fp32 find the candidates; their cosines are then computed in fp64, one by one. So a score does not
    depend on the other queries, equal vectors have equal scores, and these come in the order of their positions.
    """
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, len(queries), _QUERIES):
        some = queries[start : start + _QUERIES]
        candidates = _candidates(some, vectors, k)
        found += [cosines(query, vectors, near) for query, near in zip(some, candidates, strict=True)]
    return Ranking.of(found, k)


def cosines(query: np.ndarray, vectors: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places, ascending, and the cosines of their vectors in fp64."""
    places = np.sort(places)
    products = vectors[places].astype(np.float64) * query.astype(np.float64)
    return places, products.sum(axis=1)


@dataclass
class _Near:
    """Positions and fp32 similarities that may be among the nearest of a query."""

    places: list[np.ndarray]
    scores: list[np.ndarray]

    def best(self, k: int) -> np.ndarray:
        """Positions whose similarity is at most ``SLACK`` below that of the k-th."""
        places, scores = np.concatenate(self.places), np.concatenate(self.scores)
        if len(scores) <= k:
            return places
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        return np.asarray(places[scores >= least - SLACK])


def _candidates(queries: np.ndarray, vectors: np.ndarray, k: int) -> list[np.ndarray]:
    near = [_Near([np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]) for _ in queries]
    for start in range(0, len(vectors), _CHUNK):
        similar = queries @ vectors[start : start + _CHUNK].T
        taken = min(k + _SPARE, similar.shape[1])
        values, places = (part.numpy() for part in torch.topk(torch.from_numpy(similar), taken, dim=1))
        for row, of in enumerate(near):
            rows, scores = places[row], values[row]
            least = scores[min(k, taken) - 1] - SLACK
            if taken < similar.shape[1] and scores[-1] >= least:  # more near-ties than there were candidates
                rows = np.flatnonzero(similar[row] >= least)
                scores = similar[row, rows]
            of.places.append(rows + start)
            of.scores.append(scores)
    return [of.best(k) for of in near]
