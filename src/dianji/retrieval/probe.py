"""The probe of an index: queries with the hits that every copy must find.

``python -m dianji.retrieval.probe FOLDER`` reproduces it in a fresh process, which knows nothing but the folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dianji.data.sentences import sentences
from dianji.errors import ArtefactError, DianjiError
from dianji.retrieval.opened import By, Index
from dianji.retrieval.ranking import Ranking
from dianji.store.atomic import write_json

NAME = "probe.json"
#: Queries of a probe, and hits of each.
QUERIES, HITS = 16, 5
#: Relative where scores exceed one; a cosine changes by less when a query is encoded on another machine.
TOLERANCE = 1e-4
#: Longest query that is made of a passage, in characters.
_LONGEST = 200


@dataclass(frozen=True)
class Probe:
    """Queries, and the ranking of each way; a hybrid one follows from the others and is not among them."""

    queries: tuple[str, ...]
    rankings: Mapping[By, Ranking]

    @classmethod
    def draw(cls, index: Index) -> Probe:
        """Of sentences of passages that are spread evenly over the index."""
        queries = drawn(index, QUERIES)
        return cls(queries, _ranked(index, queries))

    def write(self, folder: Path) -> None:
        """As ``probe.json``; inverse of ``read``."""
        rankings = {way: _to_json(ranking) for way, ranking in self.rankings.items()}
        write_json(folder / NAME, {"tolerance": TOLERANCE, "queries": list(self.queries), "rankings": rankings})

    @classmethod
    def read(cls, folder: Path) -> Probe:
        """Inverse of ``write``.

        Raises:
            ArtefactError: it is missing or damaged.
        """
        try:
            value = json.loads((folder / NAME).read_text(encoding="utf-8"))
            queries = tuple(str(query) for query in value["queries"])
            rankings = {way: _from_json(found, len(queries)) for way, found in value["rankings"].items()}
            return cls(queries, rankings)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtefactError(f"{folder}: its probe cannot be read ({error}). Restore the folder.") from error

    def reproduce(self, index: Index) -> float:
        """The largest difference between the stored scores and those that the index gives now.

        Two passages may have changed places only where their scores differ by less than the tolerance.

        Raises:
            ArtefactError: a score or a hit differs.
        """
        if not self.queries or set(self.rankings) != set(index.ways) - {"hybrid"}:
            raise ArtefactError(f"{index.folder}: its probe does not cover {' and '.join(index.ways)}. Restore it.")
        worst = 0.0
        for way, now in _ranked(index, self.queries).items():
            then = self.rankings[way]
            worst = max(worst, _difference(then, now, f"{index.folder}: its probe is not reproduced by {way}"))
        return worst


def drawn(index: Index, count: int) -> tuple[str, ...]:
    """The first sentences of passages that are spread evenly over the index; fewer than ``count`` of a small one."""
    places = np.unique(np.linspace(0, len(index.passages) - 1, min(count, len(index.passages)), dtype=np.int64))
    texts = [index.passage(int(place)) for place in places]
    firsts = [text[slice(*next(sentences(text)))][:_LONGEST] for text in texts]
    return tuple(dict.fromkeys(firsts))


def _ranked(index: Index, queries: Sequence[str]) -> dict[By, Ranking]:
    return {way: index.rank(queries, HITS, by=way) for way in index.ways if way != "hybrid"}


def _difference(then: Ranking, now: Ranking, told: str) -> float:
    """See ``Probe.reproduce``."""
    worst = 0.0
    for row in range(len(then.passages)):
        (places, scores), (found, again) = then.found(row), now.found(row)
        if len(places) != len(found):
            raise ArtefactError(f"{told}: query {row + 1} had {len(places)} hits and has {len(found)}.")
        apart = np.abs(scores - again) / np.maximum(1.0, np.abs(scores))
        worst = max(worst, float(apart.max(initial=0.0)))
        if not np.all(apart <= TOLERANCE):
            raise ArtefactError(f"{told}: a score of query {row + 1} differs by {apart.max():.1e}. Make it again.")
        moved = [hit for hit, score in zip(places, scores, strict=True) if not _still(hit, score, scores, found)]
        if moved:
            raise ArtefactError(f"{told}: query {row + 1} no longer finds passage {moved[0]}. Make the index again.")
    return worst


def _still(hit: int, score: float, scores: np.ndarray, found: np.ndarray) -> bool:
    """Whether a hit is found again, or was so near to the last one that rounding may have put another there."""
    return hit in found or bool(abs(score - scores[-1]) <= TOLERANCE * max(1.0, abs(score)))


def _to_json(ranking: Ranking) -> list[dict[str, Any]]:
    rows = [ranking.found(row) for row in range(len(ranking.passages))]
    return [{"passages": places.tolist(), "scores": scores.tolist()} for places, scores in rows]


def _from_json(rows: Sequence[Mapping[str, Any]], count: int) -> Ranking:
    if len(rows) != count:
        raise ValueError(f"{len(rows)} rankings of {count} queries")
    pairs = [(np.array(row["passages"], dtype=np.int64), np.array(row["scores"], dtype=np.float64)) for row in rows]
    return Ranking.of(pairs, HITS)


@dataclass(frozen=True)
class Reproduced:
    """What a process that had only the folder found."""

    difference: float


def reproduce_elsewhere(folder: Path, model: str | None = None) -> Reproduced:
    """Reproduce the probe in a fresh process.

    Args:
        folder: of the index.
        model: where its model lies now; None: where it lay when the index was made.

    Raises:
        ArtefactError: the probe is not reproduced, or the index cannot be opened there.
    """
    command = [sys.executable, "-m", "dianji.retrieval.probe", str(folder.absolute()), *([model] if model else [])]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    try:
        answer = json.loads(ran.stdout)
    except ValueError:
        answer = {"fault": f"it ended without an answer (status {ran.returncode}): {ran.stderr[-500:]}"}
    if "fault" in answer:
        raise ArtefactError(f"a fresh process could not reproduce the index from its folder: {answer['fault']}")
    return Reproduced(float(answer["difference"]))


def _main(folder: str, model: str | None = None) -> None:
    try:
        index = Index.open(folder, model=model)
        answer: dict[str, Any] = {"difference": Probe.read(index.folder).reproduce(index)}
    except DianjiError as error:
        answer = {"fault": str(error)}
    print(json.dumps(answer))  # noqa: T201  # the answer is this program's output


if __name__ == "__main__":
    _main(*sys.argv[1:3])
