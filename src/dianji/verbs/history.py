"""The history of a store, and the lineage of an artefact."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dianji.artefact.manifest import Manifest, Parent
from dianji.errors import StoreError
from dianji.evaluate.metric import Estimate
from dianji.store.steps import StepFolder, Store

State = Literal["done", "running", "interrupted", "deleted"]


@dataclass(frozen=True)
class Past:
    """One run of a stage, from the ledger."""

    began: str  # ISO 8601, UTC
    recipe: str
    stage: str
    step: str
    state: State
    ended: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)  # name -> digest
    parent: Parent | None = None
    artefact: Path | None = None
    metric: str = ""  # the primary one, on the test split
    score: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "artefact": str(self.artefact) if self.artefact else None}


@dataclass(frozen=True)
class Ancestor:
    """One link of a lineage: a stage, or the base at its end."""

    kind: Literal["stage", "base"]
    name: str
    digest: str
    task: str = ""
    adaptation: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineage:
    """An artefact's own stage, its start, and so on to a base."""

    artefact: Path
    links: tuple[Ancestor, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"artefact": str(self.artefact), "lineage": [asdict(link) for link in self.links]}


def log(store: Store | None = None) -> tuple[Past, ...]:
    """All runs in the store, oldest first.

    Raises:
        StoreError: the ledger is damaged.
    """
    store = store or Store.default()
    runs: list[Past] = []
    for entry in store.ledger.entries():
        step, event = entry.get("step", ""), entry["event"]
        if event == "begin":
            runs.append(_begun(entry))
        elif event == "done":
            number = _latest(runs, step)
            if number is not None:
                runs[number] = replace(runs[number], state="done", ended=entry["time"])
        elif event == "deleted":
            runs = [replace(run, state="deleted") if run.step == step else run for run in runs]
    return tuple(
        _as_it_is(store.step(run.step), run, number == _latest(runs, run.step)) for number, run in enumerate(runs)
    )


def lineage(artefact: Path | str) -> Lineage:
    """The lineage of an artefact; its files are compared with their digests.

    Raises:
        ArtefactError: not an artefact, or a file has changed since it was saved.
    """
    folder = Path(artefact)
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    own = Ancestor(
        "stage", manifest.stage, manifest.digest, _name(manifest.task), _name(manifest.adaptation), manifest.data
    )
    return Lineage(folder, (own, *_ancestors(folder, manifest)))


def _begun(entry: Mapping[str, Any]) -> Past:
    parent = Parent(**entry["parent"]) if "parent" in entry else None
    names = {name: entry[name] for name in ("recipe", "stage", "step")}
    return Past(entry["time"], **names, state="interrupted", data=entry.get("data", {}), parent=parent)


def _latest(runs: list[Past], step: str) -> int | None:
    return next((number for number in reversed(range(len(runs))) if runs[number].step == step), None)


def _as_it_is(step: StepFolder, run: Past, latest: bool) -> Past:
    """The entry with the data that the store still has."""
    if run.state == "interrupted" and latest and step.busy:
        return replace(run, state="running")
    if run.state != "done" or not latest or step.state != "done":
        return run
    metrics: Mapping[str, Any] = {}
    with suppress(StoreError, KeyError):  # what the ledger says is told, also of a step whose files are damaged
        metrics = step.metrics()["metrics"].get("test", {})
    name = next(iter(metrics), "")
    return replace(run, artefact=step.artefact, metric=name, score=Estimate(**metrics[name]) if name else None)


def _ancestors(folder: Path, manifest: Manifest) -> Iterator[Ancestor]:
    """From ``evidence/lineage.json``; for artefacts without it, from the manifest's parents."""
    path = folder / "evidence" / "lineage.json"
    chain = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    if not chain:
        yield from (
            Ancestor("stage" if one.kind == "stage" else "base", one.name, one.digest) for one in manifest.parents
        )
        return
    recipe = json.loads((folder / "evidence" / "recipe.json").read_text(encoding="utf-8"))
    for link in chain:
        spec, stage = link["spec"], recipe["stages"][link["stage"]]
        data = {stage["data"]: spec["data"]["digest"]}
        yield Ancestor("stage", link["stage"], link["digest"], _name(spec["task"]), _name(spec["adaptation"]), data)
    start = recipe["stages"][chain[-1]["stage"]]["from"]
    name = f"new {start['new'].split('@')[0]}" if isinstance(start, dict) else str(start)
    yield Ancestor("base", name, chain[-1]["spec"]["parent"])


def _name(record: Mapping[str, Any]) -> str:
    return str(record["name"]).split("@")[0]
