"""Kinds of artefacts: task × adaptation × solver × base × data, from the registry and the contracts' tests.

A task joins by its contract test, which gives its toy table and its toy base; so does an adaptation or an architecture.
What is registered without a contract test is named by ``dianji.testing.completeness``.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import pyarrow as pa

from dianji.adapt.base import head_only
from dianji.bases.base import Base
from dianji.errors import CapabilityError
from dianji.registry import REGISTRY
from dianji.spec.sections import Train
from dianji.tasks.base import Task
from dianji.testing import families
from dianji.testing.component import ComponentContract
from dianji.testing.layouts import LAYOUTS, Layout
from dianji.testing.task import TaskContract

#: Written into a recipe for the base that the task's own contract test brings.
OWN = "own"


@dataclass(frozen=True)
class Part:
    """A component with arguments, as a recipe writes it."""

    name: str  # of this setting, in test ids
    written: str | dict[str, Any]
    #: Of the size of a real model: every verb takes many times as long as on a toy.
    costly: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class TaskPart(Part):
    """A task with the toys of its contract test."""

    contract: TaskContract

    @property
    def task(self) -> Task:
        """Not fitted."""
        return cast(Task, self.contract.make())

    def table(self) -> pa.Table:
        """The toy rows under the task's own column names."""
        return self.contract.table()

    def base(self) -> Base:
        """The toy base that the task's contract uses."""
        return self.contract.base()


@dataclass(frozen=True)
class AdaptationPart(Part):
    """An adaptation; with ``head_only`` a solver may be chosen."""

    head_only: bool


@dataclass(frozen=True)
class Kind:
    """One kind of artefact."""

    task: TaskPart
    adaptation: AdaptationPart
    solver: str
    base: Part
    layout: Layout

    def __str__(self) -> str:
        return "-".join(self.values())

    def values(self) -> tuple[str, ...]:
        """One per axis."""
        return (self.task.name, self.adaptation.name, self.solver, self.base.name, self.layout.name)


Tests = Sequence[type[ComponentContract]]


def kinds(tests: Tests, seed: int, *, everything: bool = False) -> list[Kind]:
    """Every task × adaptation × solver × base, each in one setting of the task and with one layout of data.

    The setting is the one that has met these values least, then the layout likewise, so that all meet.

    Args:
        tests: contract tests of components; each of a task is a setting of it.
        seed: which setting and layout go first.
        everything: with each setting and each layout.
    """
    found: list[Kind] = []
    met: Counter[tuple[str, str]] = Counter()
    for settings in _by_component(tasks(tests)):
        random.Random(seed).shuffle(settings)
        offered = {setting.name: bases(tests, setting) for setting in settings}
        every = {base.name: base for of in offered.values() for base in of}
        for adaptation, base in product(adaptations(tests), every.values()):
            fitting = [setting for setting in settings if base in offered[setting.name]]
            for solver in _solvers(adaptation):
                around = (adaptation.name, f"solver {solver}", base.name)
                for task in fitting if everything else [_least_met(fitting, around, met)]:
                    layouts = [layout for layout in LAYOUTS if layout.fits(task.task)]
                    random.Random(seed).shuffle(layouts)
                    values = (f"task {type(task.task).__name__}", *around)
                    for layout in layouts if everything else [_least_met(layouts, values, met)]:
                        found.append(Kind(task, adaptation, solver, base, layout))
                        met.update((value, task.name) for value in around)
                        met.update((value, layout.name) for value in values)
    return found


def _by_component(settings: Sequence[TaskPart]) -> list[list[TaskPart]]:
    found: dict[type, list[TaskPart]] = {}
    for setting in settings:
        found.setdefault(type(setting.task), []).append(setting)
    return list(found.values())


Option = TypeVar("Option", TaskPart, Layout)


def _least_met(options: Sequence[Option], values: Sequence[str], met: Counter[tuple[str, str]]) -> Option:
    """Most new meetings go first, of which those with a base (the last value) are the rarest; then fewest in all."""

    def times(option: Option) -> tuple[int, int]:
        counts = [met[value, option.name] for value in values]
        return -counts.count(0) - 3 * (counts[-1] == 0), sum(counts)

    return min(options, key=times)


def drawn(all_kinds: Sequence[Kind], share: float, seed: int) -> list[Kind]:
    """That share of them at random, in which every value of every axis occurs; costly ones only for that."""
    waiting = list(all_kinds)
    random.Random(seed).shuffle(waiting)
    waiting.sort(key=lambda kind: kind.base.costly)
    seen: set[tuple[int, str]] = set()
    first: list[Kind] = []
    rest: list[Kind] = []
    for kind in waiting:
        values = set(enumerate(kind.values()))
        (rest if values <= seen else first).append(kind)
        seen |= values
    rest = [kind for kind in rest if not kind.base.costly]
    return [*first, *rest][: max(len(first), round(share * len(all_kinds)))]


def tasks(tests: Tests) -> list[TaskPart]:
    """One for each contract test of a task."""
    return [TaskPart(_title(cls), _written(cls), cast(TaskContract, cls())) for cls in _unique(tests, "task")]


def adaptations(tests: Tests) -> list[AdaptationPart]:
    """One for each adaptation: of several contract tests the first."""
    found: dict[type, AdaptationPart] = {}
    for cls in _unique(tests, "adaptation"):
        part = AdaptationPart(_title(cls), _written(cls), head_only(cls().make()))
        found.setdefault(cls.component, part)
    return list(found.values())


def bases(tests: Tests, task: TaskPart) -> list[Part]:
    """What a stage of the task may start from: its own toy, each family, each registered base and architecture.

    Those that were made for another kind of input are left out.
    """
    modality = task.task.modality
    toys = {name: make() for name, make in families.FAMILIES.items()}
    fitting = {name: toy for name, toy in toys.items() if toy.card.offers(modality)}
    made_before = [(toy.card.architecture, toy.card.pooling) for toy in fitting.values()]
    own = task.base().card
    mine = [] if (own.architecture, own.pooling) in made_before else [Part(OWN, OWN)]
    architectures = _architectures(tests, modality)
    return [*mine, *(Part(name, name) for name in fitting), *_registered(modality), *architectures]


def base_of(kind: Kind, folder: Path) -> str | dict[str, Any]:
    """As the recipe writes it; a folder is written where it is not there yet."""
    if isinstance(kind.base.written, dict) or kind.base.name in REGISTRY.names("base"):
        return kind.base.written
    path = folder / (f"{OWN}-{kind.task.name}" if kind.base.name == OWN else kind.base.name)
    if not path.is_dir():
        families.write(kind.task.base() if kind.base.name == OWN else families.FAMILIES[kind.base.name](), path)
    return str(path)


def _registered(modality: str) -> Iterator[Part]:
    """Registered bases whose weights are installed."""
    for name, cls in REGISTRY.names("base").items():
        with suppress(CapabilityError):
            if cls().card().modality == modality:
                yield Part(name, name, costly=True)


def _architectures(tests: Tests, modality: str) -> Iterator[Part]:
    for cls in _unique(tests, "architecture"):
        made = cls().make()
        if made.modality != modality:
            continue
        name = made.__component__.name
        yield Part(f"new-{name}", {"new": name, **cls.arguments})


def _unique(tests: Tests, kind: str) -> Iterator[type[ComponentContract]]:
    """Contract tests of that kind, without those that repeat a setting on the same toys."""
    seen: list[object] = []
    for cls in tests:
        setting = (cls().make(), getattr(cls, "table", None), getattr(cls, "base", None))
        if cls.kind == kind and setting not in seen:
            seen.append(setting)
            yield cls


def _solvers(adaptation: AdaptationPart) -> tuple[str, ...]:
    return get_args(Train.model_fields["solver"].annotation) if adaptation.head_only else ("auto",)


def _title(cls: type[ComponentContract]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.removeprefix("Test")).lower()


def _written(cls: type[ComponentContract]) -> str | dict[str, Any]:
    name = cls().make().__component__.name
    return {name: dict(cls.arguments)} if cls.arguments else name
