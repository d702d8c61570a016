"""Recognises finished runs without torch, without a model and without parsing the data.

Planning a recipe takes seconds: libraries are imported, tables are parsed, checked and divided. If the recipe, the
bytes of its data, the bytes of its bases and the program have not changed since all of its steps were done, the plan is
the same, and its results lie in the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dianji import registry
from dianji.artefact.manifest import Manifest
from dianji.bases.digests import folder_digest
from dianji.data.read import files_digest
from dianji.errors import BaseError, DianjiError
from dianji.evaluate.metric import Estimate
from dianji.results import Cost, Metrics, RunResult, StageResult
from dianji.spec.sections import Recipe
from dianji.store.atomic import write_json
from dianji.store.digest import digest_value
from dianji.store.steps import StepFolder, Store

if TYPE_CHECKING:
    from dianji.pipeline.plan import Schedule, Work

_FORMAT = 1


def finished(recipe: Recipe, store: Store) -> RunResult | None:
    """The result of the recipe; None where a step is missing or recognition needs planning."""
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
    """Note that the recipe is done, where files alone can identify it later."""
    path = _note(schedule.recipe, store)
    if path is None or not all(_recognisable(work, schedule.recipe) for work in schedule.works):
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
    """The stored result of a step that is done."""
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
        modality=str(Manifest.read(step.artefact).base["modality"]),
    )


def _note(recipe: Recipe, store: Store) -> Path | None:
    """The path of the note; None where the result depends on anything else than files."""
    if recipe.compare is not None:
        return None
    try:
        data = {name: files_digest(spec) for name, spec in recipe.data.items() if spec.from_ is None}
    except DianjiError:  # planning will tell it, with everything else that is wrong
        return None
    if None in data.values():
        return None
    return store.cache(digest_value([_FORMAT, _program(), recipe.to_json(), data])) / "finished.json"


def _recognisable(work: Work, recipe: Recipe) -> bool:
    """Whether recipe, files and this program decide everything: no code from elsewhere, no Hub, no other files."""
    from dianji.bases.hub import HubBase  # needs torch, which is there by now

    tasks = [part.task for part in work.parts.values()]
    used = [recipe.data[part.section] for part in work.parts.values()]
    selections = [registry.REGISTRY.get("selection", of.select.name) for of in used if of.select is not None]
    components = (*map(type, (*tasks, work.adaptation, *work.techniques, work.procedure)), *selections)
    ours = all(one.__module__.startswith("dianji.") for one in components)
    if not ours or isinstance(work.source, HubBase):
        return False
    sections = [(recipe.data[part.section], part.task) for part in work.parts.values()]
    read = [
        (recipe.data[name] if name else spec, task)
        for spec, task in sections
        for name in ((spec.rows, spec.with_) if spec.from_ is not None else ("",))
        if name is not None
    ]
    return all(files_digest(spec, task.columns) is not None for spec, task in read)


def _program() -> list[Any]:
    """The program's version, its files (a checkout changes without a new version), and its plug-ins."""
    plugins = sorted(
        f"{entry.name} {entry.value}" for kind in registry.HOMES for entry in entry_points(group=f"dianji.{kind}")
    )
    return [version("dianji"), plugins, *_files()]


@cache
def _files() -> list[Any]:
    """Name, size and time of the program's files, which this process has loaded."""
    root = Path(registry.__file__).parent
    stats = [(file.relative_to(root).as_posix(), file.stat()) for file in sorted(root.rglob("*.py"))]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def _digest(folder: Path) -> str:
    try:
        return folder_digest(folder)
    except (BaseError, OSError):
        return ""


def _metrics(value: Mapping[str, Any]) -> Metrics:
    return {split: {name: Estimate(**estimate) for name, estimate in of.items()} for split, of in value.items()}
