"""The differences between two artefacts: recipes, data, versions, scores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dianji.artefact.manifest import Manifest
from dianji.artefact.verify.scores import read_record
from dianji.artefact.verify.subject import Subject
from dianji.errors import ArtefactError
from dianji.evaluate.metric import Estimate


@dataclass(frozen=True)
class Changed:
    """One key with two values; a key that one side lacks is None there."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Score:
    """One metric of one split on both sides."""

    split: str
    metric: str
    a: Estimate
    b: Estimate


@dataclass(frozen=True)
class Shared:
    """The number of rows of a split that both were measured on; None where a side has no record of it."""

    split: str
    a: int
    b: int
    both: int | None


@dataclass(frozen=True)
class Difference:
    """The result of ``dianji diff``."""

    a: Path
    b: Path
    tasks: tuple[str, str]
    recipe: tuple[Changed, ...]
    data: tuple[Changed, ...]
    versions: tuple[Changed, ...]
    scores: tuple[Score, ...]
    rows: tuple[Shared, ...]
    cost: tuple[Changed, ...]
    #: What keeps figures from being compared, in words.
    notes: tuple[str, ...]

    @property
    def same_task(self) -> bool:
        """Whether both have the same kind of task."""
        return self.tasks[0] == self.tasks[1]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "a": str(self.a), "b": str(self.b), "same_task": self.same_task}


def diff(a: Path | str, b: Path | str) -> Difference:
    """Compare two artefacts; parts that cannot be compared are noted.

    Raises:
        ArtefactError: one is not an artefact, or one of its files has changed since it was saved.
    """
    one, other = _opened(a), _opened(b)
    metrics = [side.document("metrics")["metrics"] for side in (one, other)]
    rows = tuple(_shared(one, other, split, metrics) for split in metrics[0] if split in metrics[1])
    return Difference(
        a=one.folder,
        b=other.folder,
        tasks=(_task(one), _task(other)),
        recipe=tuple(_changes(_recipe(one), _recipe(other))),
        data=tuple(_changes(_data(one), _data(other))),
        versions=tuple(_changes(one.manifest.versions, other.manifest.versions)),
        scores=tuple(_scores(*metrics)),
        rows=rows,
        cost=tuple(_changes(one.document("cost"), other.document("cost"))),
        notes=tuple(_notes(one, other, rows)),
    )


def _opened(artefact: Path | str) -> Subject:
    folder = Path(artefact)
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    return Subject(folder, manifest)


def _task(side: Subject) -> str:
    return str(side.manifest.task["name"]).split("@")[0]


def _recipe(side: Subject) -> dict[str, Any]:
    """The filled recipe as flat keys, with ``stage`` and ``data`` for the artefact's own, whatever they are called."""
    recipe = side.document("recipe")
    stage = recipe["stages"].pop(side.manifest.stage)
    data = recipe["data"].pop(stage["data"])
    flat = dict(_flat({**recipe, "stage": {"name": side.manifest.stage, **stage}}))
    return {**flat, **dict(_flat({"data of the stage": data}))}


def _data(side: Subject) -> dict[str, Any]:
    """The rows of both: digests and counts."""
    report = side.document("data")
    return {"digest": report["digest"], **{f"rows.{split}": count for split, count in report["rows"].items()}}


def _flat(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{above}.{key}" if above else str(key))
    else:
        yield above, value


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Changed]:
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            yield Changed(key, a.get(key), b.get(key))


def _scores(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Score]:
    for split, figures in a.items():
        for name, value in figures.items():
            if name in b.get(split, {}):
                yield Score(split, name, Estimate(**value), Estimate(**b[split][name]))


def _shared(one: Subject, other: Subject, split: str, metrics: list[Any]) -> Shared:
    counts = [next(iter(side[split].values()))["n"] for side in metrics]
    try:
        digests = [read_record(side, split).rows for side in (one, other)]
    except ArtefactError:
        return Shared(split, counts[0], counts[1], None)
    return Shared(split, counts[0], counts[1], int(np.isin(digests[0], digests[1]).sum()))


def _notes(one: Subject, other: Subject, rows: tuple[Shared, ...]) -> Iterator[str]:
    tasks = _task(one), _task(other)
    if tasks[0] != tasks[1]:
        yield f"different tasks, {tasks[0]} and {tasks[1]}: only metrics that both have are set side by side"
    labels = [side.manifest.task["arguments"].get("labels") or [] for side in (one, other)]
    if labels[0] != labels[1] and tasks[0] == tasks[1]:
        only = [sorted(set(labels[0]) - set(labels[1])), sorted(set(labels[1]) - set(labels[0]))]
        detail = f"only A has {_few(only[0])}; only B has {_few(only[1])}" if any(only) else "in another order"
        yield f"different labels: {detail}"
    for split in rows:
        if split.both is None:
            yield f"{split.split}: whether both were measured on the same rows is not recorded"
        elif split.both != split.a or split.a != split.b:
            shared = f"{split.both:,} rows are in both (A has {split.a:,}, B has {split.b:,})"
            yield f"{split.split}: {shared}, so a difference in score may be one of rows"


def _few(labels: list[str]) -> str:
    shown = ", ".join(labels[:5])
    return (
        json.dumps(shown, ensure_ascii=False) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
        if labels
        else "none"
    )
