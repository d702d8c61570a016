"""Follows the lineage: a chain of digests from the artefact's step back to data and base of its first ancestor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dianji.artefact.manifest import NAME, Manifest
from dianji.artefact.verify.subject import Faults, Subject
from dianji.spec.sections import WITHOUT_EFFECT
from dianji.store.digest import digest_value

_HEXADECIMAL = re.compile(r"[0-9a-f]{32,64}")
SPEC, RECIPE, LINEAGE, DATA = (f"evidence/{name}.json" for name in ("spec", "recipe", "lineage", "data"))


def check(subject: Subject, faults: Faults) -> None:
    """The step's digest must be that of the spec; manifest, recipe, data report and ancestors must agree with it."""
    with faults.at(SPEC):
        spec = subject.document("spec")
        _is_digest(NAME, "digest", subject.manifest.digest, faults)
        faults.expect(SPEC, "digest of the spec", digest_value(spec), subject.manifest.digest)
        _manifest_agrees(subject, spec, faults)
        with faults.at(RECIPE):
            _recipe_agrees(subject, spec, faults)
        with faults.at(DATA):
            report = subject.document("data")
            faults.expect(DATA, "digest", report["digest"], _data_of(spec, subject.manifest)["digest"])
        with faults.at(LINEAGE):
            _ancestors(subject, spec, faults)


def _manifest_agrees(subject: Subject, spec: Mapping[str, Any], faults: Faults) -> None:
    manifest = subject.manifest
    faults.expect(NAME, "seed", manifest.seed, spec["seed"])
    faults.expect(NAME, "adaptation", manifest.adaptation, spec["adaptation"])
    faults.expect(NAME, "techniques", manifest.techniques, spec["techniques"])
    faults.expect(NAME, "data", list(manifest.data.values()), [_data_of(spec, manifest)["digest"]])
    faults.expect(NAME, "parents", [parent.digest for parent in manifest.parents], [spec["parent"]])
    task, data = _task_of(spec, manifest), _data_of(spec, manifest)
    faults.expect(NAME, "task", manifest.task["name"], task["name"])
    faults.expect(NAME, "columns", manifest.columns, data["columns"])
    for name, value in task["arguments"].items():
        if value not in (None, [], {}, ""):  # what is empty may have been learnt from the training split
            faults.expect(NAME, f"task.{name}", manifest.task["arguments"].get(name), value)


def _recipe_agrees(subject: Subject, spec: Mapping[str, Any], faults: Faults) -> None:
    """The filled recipe and the spec must agree on every key that both have."""
    recipe, manifest = subject.document("recipe"), subject.manifest
    stage = recipe["stages"][manifest.stage]
    train = {key: value for key, value in stage["train"].items() if key not in WITHOUT_EFFECT}
    asked, own = stage["parts"][manifest.part] if manifest.part else stage, _data_of(spec, manifest)
    faults.expect(RECIPE, f"task of {manifest.stage}", _record(asked["task"]), _task_of(spec, manifest))
    if train["solver"] == "auto" and spec["train"]["solver"] == "lbfgs":
        train["solver"] = "lbfgs"  # what auto came to, which only base, task and adaptation can tell
    said = {
        "procedure": _record(stage["procedure"]),
        "adaptation": _record(stage["adapt"]),
        "techniques": [_record(technique) for technique in stage["techniques"]],
        "train": {**train, **{kind: _record(train[kind]) for kind in ("optimizer", "schedule")}},
        "evaluate": stage["evaluate"],
        "seed": recipe["seed"] if stage["seed"] is None else stage["seed"],
    }
    faults.expect(RECIPE, "name", recipe["name"], manifest.recipe)
    faults.expect(RECIPE, "seed", recipe["seed"], spec["data"]["seed"])
    faults.expect(RECIPE, f"data of {manifest.stage}", [asked["data"]], list(manifest.data))
    for key, value in said.items():
        faults.expect(RECIPE, f"{key} of {manifest.stage}", value, spec[key])
    rows = recipe["data"][asked["data"]]
    for key in ("columns", "clean", "drop", "limit"):
        faults.expect(RECIPE, f"data.{asked['data']}.{key}", rows[key], own[key])


def _ancestors(subject: Subject, spec: Mapping[str, Any], faults: Faults) -> None:
    """Each ancestor's digest must be that of its spec, which names the next one; the last starts from a base."""
    parent = subject.manifest.parents[0]
    chain = subject.document("lineage") if (subject.folder / LINEAGE).exists() else []
    wanted, ended = spec["parent"], parent.kind == "base"
    if not ended and not chain:
        faults.add(LINEAGE, f"tells nothing of stage {parent.name}, which the model started from")
    for place, ancestor in enumerate(chain):
        name = ancestor["stage"]
        faults.expect(LINEAGE, f"digest of ancestor {place + 1}, {name}", ancestor["digest"], wanted)
        faults.expect(LINEAGE, f"digest of the spec of {name}", digest_value(ancestor["spec"]), ancestor["digest"])
        _is_digest(LINEAGE, f"data of {name}", ancestor["spec"]["data"]["digest"], faults)
        wanted = ancestor["spec"]["parent"]
    faults.expect(LINEAGE, "stages before this one", bool(chain), not ended)
    _is_digest(SPEC, "data", spec["data"]["digest"], faults)
    _is_digest(LINEAGE if chain else SPEC, "digest of the base", wanted, faults)


def _task_of(spec: Mapping[str, Any], manifest: Manifest) -> Mapping[str, Any]:
    """The record of the artefact's own task: of a part, or of the stage."""
    found: Mapping[str, Any] = (
        spec["task"]["arguments"]["parts"][manifest.part]["task"] if manifest.part else spec["task"]
    )
    return found


def _data_of(spec: Mapping[str, Any], manifest: Manifest) -> Mapping[str, Any]:
    """The same of its data."""
    found: Mapping[str, Any] = spec["data"]["parts"][manifest.part] if manifest.part else spec["data"]
    return found


def _record(written: str | Mapping[str, Any]) -> dict[str, Any]:
    """A component of a recipe as a record."""
    if isinstance(written, str):
        return {"name": written, "arguments": {}}
    ((name, arguments),) = written.items()
    return {"name": name, "arguments": arguments}


def _is_digest(place: str, what: str, value: object, faults: Faults) -> None:
    if not isinstance(value, str) or not _HEXADECIMAL.fullmatch(value):
        faults.add(place, f"{what}: expected a digest, found {value!r:.60}")
