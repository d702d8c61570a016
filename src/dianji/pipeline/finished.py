"""Runs that were finished before, recognised without torch, without a model and without parsing the data.

To plan a recipe takes seconds: libraries are imported, tables are parsed, checked and divided. Where the recipe, the
bytes of its data, the bytes of its bases and the program itself are what they were when all of its steps were done, the
plan is the same, and what came of it lies in the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dianji import registry
from dianji.bases.digests import folder_digest
from dianji.data.read import files_digest
from dianji.errors import BaseError, DianjiError
from dianji.evaluate.metric import Estimate
from dianji.results import Cost, Metrics, RunResult, StageResult
from dianji.spec.sections import Data, Recipe
from dianji.store.atomic import write_json
from dianji.store.digest import digest_value
from dianji.store.steps import StepFolder, Store

if TYPE_CHECKING:
    from dianji.pipeline.plan import Schedule, Work

_FORMAT = 1


def finished(recipe: Recipe, store: Store) -> RunResult | None:
    """What came of the recipe; None where a step is missing or it cannot be told without planning."""
    path = _note(recipe, store)
    if path is None or not path.is_file():
        return None
    note = json.loads(path.read_text(encoding="utf-8"))
    if any(_digest(Path(folder)) != known for folder, known in note["bases"].items()):
        return None
    steps = [store.step(stage["digest"]) for stage in note["stages"]]
    if any(step.state != "done" for step in steps):
        return None
    results = [
        stage_result(step, stage["name"], stage["primary"], stage["warnings"], reused=True)
        for step, stage in zip(steps, note["stages"], strict=True)
    ]
    return RunResult(recipe.name, note["digest"], tuple(results))


def remember(schedule: Schedule, store: Store, result: RunResult) -> None:
    """Note that the recipe is done, where it can be recognised later by what lies in files."""
    path = _note(schedule.recipe, store)
    if path is None or not all(_recognisable(work, schedule.recipe.data[work.stage.data]) for work in schedule.works):
        return
    folders = {}
    for work in schedule.works:
        if work.source is not None and work.card.pretrained:
            folder = work.source.prepare(pa.table({})).folder
            folders[str(folder)] = folder_digest(folder) if folder is not None else ""
    stages = [
        {"name": stage.name, "digest": stage.digest, "primary": stage.primary, "warnings": list(stage.warnings)}
        for stage in result.stages
    ]
    write_json(path, {"digest": result.digest, "bases": folders, "stages": stages})


def stage_result(step: StepFolder, name: str, primary: str, warnings: Sequence[str], *, reused: bool) -> StageResult:
    """What the store holds of a step that is done."""
    found = step.metrics()
    if reused:
        step.sweep()
    return StageResult(
        name=name,
        digest=step.digest,
        artefact=step.artefact,
        reused=reused,
        metrics=_metrics(found["metrics"]),
        cost=Cost(**found["cost"]),
        primary=primary,
        baselines={name: _metrics(of) for name, of in found["baselines"].items()},
        warnings=tuple(warnings),
        profile=step.profile(),
    )


def _note(recipe: Recipe, store: Store) -> Path | None:
    """Where it is noted; None where something that decides the result is not in files."""
    if recipe.compare is not None:
        return None
    try:
        data = {name: files_digest(spec) for name, spec in recipe.data.items()}
    except DianjiError:  # planning will tell it, with everything else that is wrong
        return None
    if None in data.values():
        return None
    return store.cache(digest_value([_FORMAT, _program(), recipe.to_json(), data])) / "finished.json"


def _recognisable(work: Work, spec: Data) -> bool:
    """Whether recipe, files and this program decide everything: no code from elsewhere, no Hub, no other files."""
    from dianji.bases.hub import HubBase  # needs torch, which is there by now

    parts = (work.task, work.adaptation, *work.techniques)
    ours = all(type(part).__module__.startswith("dianji.") for part in parts)
    return ours and not isinstance(work.source, HubBase) and files_digest(spec, work.task.columns) is not None


def _program() -> list[Any]:
    """The program's version, its files as they lie here (a checkout changes without a new version), its plug-ins."""
    plugins = sorted(
        f"{entry.name} {entry.value}" for kind in registry.HOMES for entry in entry_points(group=f"dianji.{kind}")
    )
    root = Path(registry.__file__).parent
    files = sorted(root.rglob("*.py"))
    stats = [(file.relative_to(root).as_posix(), file.stat()) for file in files]
    return [version("dianji"), plugins, *([name, stat.st_size, stat.st_mtime_ns] for name, stat in stats)]


def _digest(folder: Path) -> str:
    try:
        return folder_digest(folder)
    except (BaseError, OSError):
        return ""


def _metrics(value: Mapping[str, Any]) -> Metrics:
    return {split: {name: Estimate(**estimate) for name, estimate in of.items()} for split, of in value.items()}
