"""Measures a search on queries whose right documents are known: recall, MRR and nDCG, beside BM25.

A document is ranked by its best passage. The first ``DEPTH`` passages are looked at, as a search gives them; documents
beyond them are tied behind, so that what is measured is what is served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.read import rows
from dianji.data.source import SOURCE
from dianji.errors import DataError, did_you_mean
from dianji.evaluate.bootstrap import estimates, interval
from dianji.evaluate.metric import Estimate
from dianji.evaluate.paired import resampled
from dianji.evaluate.ragged import Ragged
from dianji.evaluate.ranked import TIE, Retrieval
from dianji.registry import REGISTRY
from dianji.retrieval.opened import Index
from dianji.retrieval.ranking import Ranking
from dianji.retrieval.rerank import DEPTH as READ
from dianji.retrieval.rerank import PairScorer
from dianji.spec.data import Data

COLUMNS: Mapping[str, Column] = {"query": Column("text"), "relevant": Column("id", target=True, optional=True)}
METRICS = ("recall-at-1", "recall-at-5", "recall-at-10", "mrr", "ndcg")
PRIMARY = "mrr"
DEPTH = 200


@dataclass(frozen=True)
class Queries:
    """Distinct queries, in the order in which they first occur."""

    texts: tuple[str, ...]
    #: Numbers of the right documents of each, ascending; None where the data do not say which are right.
    relevant: tuple[np.ndarray, ...] | None


@dataclass(frozen=True)
class Difference:
    """How much better the search is than BM25, on the same queries."""

    metric: str
    value: float
    low: float  # of the 95 % interval
    high: float
    p: float  # two-sided, by the paired bootstrap


@dataclass(frozen=True)
class Searched:
    """The result of measuring a search."""

    index: Path
    data: str
    by: str
    queries: int
    metrics: Mapping[str, Estimate]
    primary: str
    #: BM25 on the same queries; None where BM25 itself was measured.
    baseline: Mapping[str, Estimate] | None
    difference: Difference | None
    queries_per_second: float  # all of them at once, encoding them included

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        beside = None if self.baseline is None else {name: of.to_json() for name, of in self.baseline.items()}
        return {
            **vars(self),
            "index": str(self.index),
            "metrics": {name: value.to_json() for name, value in self.metrics.items()},
            "baseline": beside,
            "difference": None if self.difference is None else vars(self.difference),
        }


def read_queries(
    index: Index,
    path: str,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "auto",
    warn: Callable[[str], None],
) -> Queries:
    """Queries of a table, with the ids of their right documents: a row for each, equal queries are one.

    Raises:
        DataError: a column is missing, a query is empty, or no document has the id that is named.
        RecipeError: there is no such column to name.
    """
    spec = Data(path=path, encoding=encoding)
    table = rows(path, COLUMNS, spec=spec, given=columns, need_targets=True, warn=warn)
    queries, sources, findings = table["query"].to_pylist(), table[SOURCE].to_pylist(), Findings()
    for query, source in zip(queries, sources, strict=True):
        if not query.strip():
            findings.fault(f"{source}: the query is empty. Write it, or remove the row.")
    if not queries:
        findings.fault(f"{path}: holds no query. Expected at least one.")
    findings.check()
    distinct = tuple(dict.fromkeys(queries))
    if "relevant" not in table.column_names:
        return Queries(distinct, None)
    right: dict[str, set[int]] = {query: set() for query in distinct}
    places = index.documents.places
    for query, name, source in zip(queries, table["relevant"].to_pylist(), sources, strict=True):
        if name in places:
            right[query].add(places[name])
        else:
            findings.fault(f"{source}: the index has no document '{name}'. {_like(name, places)}")
    findings.check()
    return Queries(distinct, tuple(np.array(sorted(right[query]), dtype=np.int64) for query in distinct))


def _like(name: str, places: Mapping[str, int]) -> str:
    """Some ids; looking for close ones among many takes long."""
    return did_you_mean(name, list(places)[:1000])


def measure(
    index: Index,
    queries: Queries,
    *,
    data: str,
    by: str | None,
    rerank: PairScorer | str | Path | None = None,
    depth: int = READ,
    resamples: int = 1000,
) -> Searched:
    """Rank all queries and compare with what is right.

    Raises:
        DataError: the queries do not say what is right.
    """
    if queries.relevant is None:
        raise DataError(
            f"{data}: no column 'relevant', which names the right document of each query. Name it with "
            "--column relevant=COLUMN."
        )
    start = time.perf_counter()
    deep = DEPTH if rerank is None else depth
    ranking = index.rank(queries.texts, deep, by=by, rerank=rerank, depth=depth)
    seconds = time.perf_counter() - start
    outcome = _outcome(index, ranking, queries.relevant)
    way = by or index.ways[-1]
    beside = difference = None
    if way != "bm25" or rerank is not None:
        other = _outcome(index, index.rank(queries.texts, DEPTH, by="bm25"), queries.relevant)
        beside = estimates(METRICS, other, resamples, 0)
        difference = _compared(outcome, other, resamples)
    metrics = estimates(METRICS, outcome, resamples, 0)
    told = way if rerank is None else f"{way}, re-ranked"
    rate = round(len(queries.texts) / seconds, 1)
    return Searched(index.folder, data, told, len(queries.texts), metrics, PRIMARY, beside, difference, rate)


def _compared(ours: Retrieval, theirs: Retrieval, resamples: int) -> Difference:
    """The difference of the primary metric on the same resamples of queries."""
    metric = REGISTRY.build("metric", PRIMARY, {})
    drawn: list[np.ndarray] = []

    def statistic(weights: np.ndarray) -> np.ndarray:
        found: np.ndarray = metric(ours, weights) - metric(theirs, weights)
        drawn.append(found)
        return found

    value, low, high = interval(statistic, ours.rows, resamples, 0, ours.units)
    p = resampled(np.concatenate(drawn[1:]))  # the first call gives the plain value
    return Difference(PRIMARY, float(value), float(low), float(high), p)


def _outcome(index: Index, ranking: Ranking, relevant: Sequence[np.ndarray]) -> Retrieval:
    """Places of the right documents. Queries about one document are one resampling unit."""
    above: list[np.ndarray] = []
    tied: list[np.ndarray] = []
    total = len(index.documents)
    for row, right in enumerate(relevant):
        passages, scores = ranking.found(row)
        documents, first = np.unique(index.passages.document[passages], return_index=True)
        over, near = _places(documents, scores[first], right, total)
        above.append(over)
        tied.append(near)
    wrong = np.array([total - len(right) for right in relevant], dtype=np.int64)
    units = np.array([int(right[0]) for right in relevant], dtype=np.int64)
    return Retrieval(Ragged.of(above), Ragged.of(tied), wrong, units=units)


def _places(documents: np.ndarray, scores: np.ndarray, right: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """For each right document, the best first: wrong ones above it, and wrong ones that are tied with it.

    Args:
        documents: that were found.
        scores: of each.
        right: numbers of the right documents.
        total: documents in all; those that were not found are tied behind.
    """
    good = np.isin(documents, right)
    rivals = scores[~good]
    places = np.sort(scores[good])[::-1]
    over = np.array([np.count_nonzero(rivals > place + TIE) for place in places], dtype=np.int64)
    near = np.array([np.count_nonzero(rivals >= place - TIE) for place in places], dtype=np.int64) - over
    missed = len(right) - len(places)
    behind = total - len(right) - len(rivals)
    return (
        np.concatenate([over, np.full(missed, len(rivals), dtype=np.int64)]),
        np.concatenate([near, np.full(missed, behind, dtype=np.int64)]),
    )
