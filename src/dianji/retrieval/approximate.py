"""FAISS: an inverted file of vectors (Jégou, Douze & Schmid, 2011), searched in part. Needs the extra ``retrieval``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dianji.errors import ArtefactError, CapabilityError
from dianji.retrieval.ranking import Ranking
from dianji.retrieval.vectors import cosines

#: With fewer vectors there are too few for each list, and exact search takes a millisecond.
LEAST = 4000
#: FAISS wants at least 39 vectors to learn each list from.
_PER_LIST = 39
#: Vectors that are added at a time.
_BLOCK = 65536
#: Candidates beyond ``k`` that are taken, since fp32 decides only what is near.
_SPARE = 16


@dataclass(frozen=True)
class Measured:
    """What the lists cost and what they gain, measured when the index was made."""

    lists: int
    probes: int  # lists that are searched for each query
    recall_at_10: float  # share of the 10 nearest vectors that are found
    queries: int  # that this was measured with
    exact_per_second: float  # queries, one after the other
    approximate_per_second: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def faiss() -> Any:
    """The library.

    Raises:
        CapabilityError: it is not installed.
    """
    try:
        import faiss as library  # 66 MB, which only this search needs
    except ImportError as error:
        raise CapabilityError(
            'approximate search needs FAISS, which is not installed: pip install "dianji[retrieval]". '
            "Exact search needs nothing."
        ) from error
    return library


class Lists:
    """Vectors in lists of near ones; a query searches the lists that are nearest to it."""

    def __init__(self, inner: Any, vectors: np.ndarray, probes: int) -> None:
        self._inner = inner
        self._vectors = vectors
        self.probes = probes

    @classmethod
    def fit(cls, vectors: np.ndarray) -> Lists:
        """Divide the vectors into lists, by k-means with FAISS's own fixed seed.

        Raises:
            CapabilityError: there are too few vectors, or FAISS is not installed.
        """
        library = faiss()
        rows, width = vectors.shape
        if rows < LEAST:
            raise CapabilityError(
                f"approximate search pays with many passages: expected at least {LEAST:,}, found {rows:,}. Use exact "
                "search."
            )
        count = min(rows // _PER_LIST, int(4 * np.sqrt(rows)))
        quantizer = library.IndexFlatIP(width)
        inner = library.IndexIVFFlat(quantizer, width, count, library.METRIC_INNER_PRODUCT)
        inner.cp.max_points_per_centroid = 64
        inner.train(np.ascontiguousarray(vectors[:: max(1, rows // (64 * count))]))
        for start in range(0, rows, _BLOCK):
            inner.add(np.ascontiguousarray(vectors[start : start + _BLOCK]))
        return cls(inner, vectors, 1)

    @property
    def count(self) -> int:
        """How many lists there are."""
        return int(self._inner.nlist)

    def nearest(self, queries: np.ndarray, k: int) -> Ranking:
        """As ``vectors.nearest`` among the lists that are searched; fewer than ``k`` where these hold fewer."""
        self._inner.nprobe = self.probes
        taken = min(k + _SPARE, len(self._vectors))
        places = self._inner.search(np.ascontiguousarray(queries), taken)[1]
        return Ranking.of(
            [cosines(query, self._vectors, near[near >= 0]) for query, near in zip(queries, places, strict=True)], k
        )

    def write(self, path: Path) -> None:
        """In FAISS's own format; ``probes`` is kept elsewhere."""
        faiss().write_index(self._inner, str(path))

    @classmethod
    def read(cls, path: Path, vectors: np.ndarray, probes: int) -> Lists:
        """Inverse of ``write``.

        Raises:
            ArtefactError: the file is damaged, or of other vectors.
            CapabilityError: FAISS is not installed.
        """
        try:
            inner = faiss().read_index(str(path))
        except RuntimeError as error:
            raise ArtefactError(f"{path}: FAISS cannot read it ({str(error)[:200]}). Make the index again.") from error
        if (inner.ntotal, inner.d) != vectors.shape:
            raise ArtefactError(
                f"{path}: holds {inner.ntotal:,} vectors of {inner.d} numbers, expected {vectors.shape[0]:,} of "
                f"{vectors.shape[1]}. Make the index again."
            )
        return cls(inner, vectors, probes)
