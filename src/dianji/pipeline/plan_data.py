"""The data of the stages that are planned: read once, joined for a stage of several parts, described for its digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from dianji.data.columns import Column
from dianji.data.content import examine
from dianji.data.findings import Findings, plural, some
from dianji.data.line import Request
from dianji.data.locate import STANDARD_INPUT, locate
from dianji.data.read import Loaded, load
from dianji.data.source import SOURCE, SPLITS
from dianji.errors import DataError, RecipeError
from dianji.pipeline.derived import Maker, derived
from dianji.registry import REGISTRY, record_of
from dianji.spec.data import Data
from dianji.spec.sections import Recipe
from dianji.store.digest import digest_value
from dianji.store.steps import Store
from dianji.tasks.base import Task
from dianji.tasks.joint import joint_table


class DataCache:
    """Data sets read while recipes are planned: the variants of a comparison share most of theirs."""

    def __init__(self) -> None:
        self._loaded: dict[str, Loaded] = {}

    def load(
        self, spec: Data, columns: Mapping[str, Column], *, seed: int, name: str, cache: Path | None = None
    ) -> Loaded:
        """``dianji.data.read.load``; an equal request returns the same rows without reading them again."""
        asked = digest_value([spec.model_dump(mode="json"), {key: repr(of) for key, of in columns.items()}, seed, name])
        if asked not in self._loaded:
            self._loaded[asked] = load(spec, columns, seed=seed, name=name, cache=cache)
        return self._loaded[asked]


@dataclass(frozen=True)
class Reading:
    """How the data of a recipe's stages is read."""

    recipe: Recipe
    store: Store
    data_cache: DataCache
    select: bool

    def section(self, section: str, columns: Mapping[str, Column]) -> Loaded:
        """The rows of a section with a path."""
        cache = self.store.home / "cache"
        spec = self.recipe.data[section]
        return self.data_cache.load(spec, columns, seed=self.recipe.seed, name=section, cache=cache)

    def rows(self, section: str, task: Task, makers: Mapping[str, Maker]) -> Loaded:
        """The rows of any section, which suit the task.

        Args:
            section: its name.
            task: of the stage that learns from the rows.
            makers: the stages that may make them, by name.

        Raises:
            NotYet: a stage that is not done makes them.
        """
        maker = self.recipe.data[section].from_
        if maker is None:
            loaded = self.section(section, task.columns)
        else:
            made_by = makers[maker]
            loaded = derived(self.recipe, section, task, made_by, self.store, self.section, select=self.select)
        findings = Findings()
        for table in loaded.splits.values():
            task.check(table, findings)
        findings.check()
        told = tuple(dict.fromkeys(findings.warnings))  # splits have much the same to tell
        return replace(loaded, warnings=(*loaded.warnings, *told)) if told else loaded


def missing_data(recipe: Recipe) -> list[str]:
    """Faults for files that do not exist; nothing is read, not even standard input."""
    faults = []
    for name, spec in recipe.data.items():
        if spec.from_ is not None or spec.path in (None, STANDARD_INPUT, [STANDARD_INPUT]):
            continue
        try:
            locate(Request(spec, name=name))
        except DataError as error:
            faults.append(f"{recipe.where('data', name, 'path')}: {error}")
        except RecipeError:  # a format that does not exist, which has been told
            continue
    return faults


@dataclass(frozen=True)
class Section:
    """A data section as one part of a stage uses it."""

    name: str
    data: Loaded
    columns: Mapping[str, str | list[str]]


def together(parts: Mapping[str, Loaded], tasks: Mapping[str, Task]) -> Loaded:
    """The rows of all parts in one table for each split. ``tasks`` say what a part reads of its rows."""
    if list(parts) == [""]:
        return parts[""]
    splits = {
        split: joint_table({part: of.splits[split] for part, of in parts.items() if split in of.splits})
        for split in SPLITS
        if any(split in of.splits for of in parts.values())
    }
    digest = digest_value({part: of.digest for part, of in parts.items()})
    told = [*(warning for of in parts.values() for warning in of.warnings), *_across(parts, tasks)]
    warnings = tuple(dict.fromkeys(told))
    report = {
        "name": " + ".join(str(of.report["name"]) for of in parts.values()),
        "digest": digest,
        "rows": {split: table.num_rows for split, table in splits.items()},
        "parts": {part: of.report for part, of in parts.items()},
        "warnings": list(warnings),
    }
    return Loaded(splits, digest, warnings, report, streamed=any(of.streamed for of in parts.values()))


def _across(parts: Mapping[str, Loaded], tasks: Mapping[str, Task]) -> Iterator[str]:
    """Warnings of held-out rows of one part that another part trains on: the parts share a base."""
    hashes = {
        name: {split: examine(table, tasks[name].inputs).hash for split, table in of.splits.items()}
        for name, of in parts.items()
        if not of.streamed
    }
    for (one, held), (other, training) in permutations(hashes.items(), 2):
        for split in SPLITS[1:]:
            if split not in held:
                continue
            found = np.flatnonzero(np.isin(held[split], training["train"]) & ~np.isin(held[split], held["train"]))
            if len(found):
                sources = parts[one].splits[split][SOURCE]
                named = some(str(sources[row]) for row in found.tolist())
                trains = "trains" if len(found) == 1 else "train"
                yield (
                    f"{plural(len(found), 'row')} of {split} of part '{one}' {trains} part '{other}', and both parts "
                    f"share a base: {named}. Divide the rows alike: split: {{group: …}} by a column of both, or a file "
                    "for each split"
                )


def data_spec(recipe: Recipe, data: Loaded, parts: Mapping[str, Section]) -> dict[str, Any]:
    """What a step's digest covers of its data."""
    found = {
        part: {
            "digest": of.data.digest,
            **_without_paths(recipe.data[of.name]),
            **_made(of),
            "columns": dict(of.columns),
        }
        for part, of in parts.items()
    }
    own = found[""] if list(found) == [""] else {"digest": data.digest, "parts": found}
    return {**own, "seed": recipe.seed}


def _made(section: Section) -> dict[str, str]:
    """The step that made the rows, if one did."""
    made = section.data.report.get("made")
    return {} if made is None else {"made_by": made["step"]}


def _without_paths(data: Data) -> dict[str, Any]:
    """The section without paths: the digest covers the bytes of the files instead."""
    told = data.model_dump(mode="json", exclude={"path", "strict"})
    split = {
        key: "a file" if key in {"validation", "test"} and isinstance(value, str) else value
        for key, value in told["split"].items()
    }
    if data.select is not None:  # with its version and every argument
        told["select"] = record_of(REGISTRY.build("selection", data.select.name, data.select.arguments))
    return {**told, "split": split}
