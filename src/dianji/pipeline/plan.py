"""From a recipe to steps with digests: everything that can be wrong is found here, before any model is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dianji.adapt.base import Adaptation
from dianji.bases.base import BaseSource, Card
from dianji.bases.checks import require_modality
from dianji.bases.resolve import resolve
from dianji.data.columns import Column
from dianji.data.read import Loaded, load
from dianji.engine.defaults import fill
from dianji.engine.recomputing import require_support
from dianji.engine.runtime import choose_precision
from dianji.engine.solver import asked_for
from dianji.errors import DianjiError, RecipeError
from dianji.registry import REGISTRY, key_of, record_of
from dianji.results import Plan, PlannedStage
from dianji.spec import components
from dianji.spec.references import check_references, order, parent
from dianji.spec.sections import WITHOUT_EFFECT, Component, Data, Recipe, Stage, Train
from dianji.store.digest import digest_value
from dianji.store.steps import StepFolder, Store
from dianji.tasks.base import Task
from dianji.techniques.base import Technique

#: Changes when a change of Dianji makes old steps differ from what would be computed now.
STEP_FORMAT = 2


@dataclass(frozen=True)
class Work:
    """One stage, resolved: what to do, under which digest, with which parts."""

    name: str
    recipe: str
    step: StepFolder
    spec: Mapping[str, Any]
    stage: Stage
    train: Train
    task: Task
    adaptation: Adaptation
    techniques: tuple[Technique, ...]
    data: Loaded
    parent: Work | None  # an earlier stage …
    source: BaseSource | None  # … or a base
    card: Card  # of what the stage starts from
    seed: int
    to_the_optimum: bool  # whether a linear head is fitted in one go; ``train`` is what the loop would do

    @property
    def parent_digest(self) -> str:
        """Of the earlier stage's step, or of the base."""
        return str(self.spec["parent"])

    def ancestors(self) -> list[dict[str, Any]]:
        """The stages before this one, nearest first; each spec names the digest of the next one's."""
        before = self.parent
        return [before.as_ancestor(), *before.ancestors()] if before else []

    def as_ancestor(self) -> dict[str, Any]:
        """What a later stage's artefact keeps of this one."""
        return {"stage": self.name, "digest": self.step.digest, "spec": dict(self.spec)}

    def planned(self) -> PlannedStage:
        """What a person is shown."""
        return PlannedStage(
            name=self.name,
            digest=self.step.digest,
            state=self.step.state,
            starts_from=f"stage {self.parent.name}" if self.parent else f"base {self.card.name}",
            task=key_of(self.task).name,
            adapt=key_of(self.adaptation).name,
            data=self.stage.data,
            rows={name: table.num_rows for name, table in self.data.splits.items()},
            folder=self.step.folder,
        )


@dataclass(frozen=True)
class Schedule:
    """All stages of a recipe in the order in which they can run."""

    recipe: Recipe
    works: tuple[Work, ...]

    @property
    def digest(self) -> str:
        """Of everything the recipe asks for: its steps."""
        return digest_value([work.step.digest for work in self.works])

    def plan(self) -> Plan:
        """What ``dianji check`` prints."""
        warnings = [warning for work in self.works for warning in work.data.warnings]
        return Plan(
            recipe=self.recipe.name,
            digest=self.digest,
            stages=tuple(work.planned() for work in self.works),
            warnings=tuple(dict.fromkeys(warnings)),
            filled=self.filled().to_json(),
        )

    def filled(self) -> Recipe:
        """The planned part of the recipe with every default written out, also what follows from base and data.

        What is compared is not part of it: its variants are recipes of their own. Run again, it gives the same digests.
        """
        recipe = components.fill(self.recipe)
        stages = {}
        for work in self.works:
            stage = recipe.stages[work.name]
            parts = {"optimizer": stage.train.optimizer, "schedule": stage.train.schedule}
            # What only the loop needs stays open where a head is fitted: given, it would ask for the loop.
            train = (stage.train if work.to_the_optimum else work.train).model_copy(update=parts)
            changes = {"from_": parent(recipe, work.name), "train": train, "seed": work.seed}
            stages[work.name] = stage.model_copy(update=changes)
        return recipe.model_copy(update={"stages": stages, "compare": None})

    def upto(self, stage: str) -> Schedule:
        """Only ``stage`` and what it starts from."""
        wanted, work = {stage}, next(work for work in self.works if work.name == stage)
        while work.parent is not None:
            work = work.parent
            wanted.add(work.name)
        return Schedule(self.recipe, tuple(work for work in self.works if work.name in wanted))


class DataCache:
    """Data that were read while recipes were planned: the variants of a comparison share most of theirs."""

    def __init__(self) -> None:
        self._loaded: dict[str, Loaded] = {}

    def load(
        self, spec: Data, columns: Mapping[str, Column], *, seed: int, name: str, cache: Path | None = None
    ) -> Loaded:
        """As ``dianji.data.read.load``; the same request gets the same rows without reading them again."""
        asked = digest_value([spec.model_dump(mode="json"), {key: repr(of) for key, of in columns.items()}, seed, name])
        if asked not in self._loaded:
            self._loaded[asked] = load(spec, columns, seed=seed, name=name, cache=cache)
        return self._loaded[asked]


def schedule(recipe: Recipe, store: Store, data_cache: DataCache | None = None) -> Schedule:
    """Resolve a recipe.

    Args:
        recipe: what is asked for.
        store: where steps lie.
        data_cache: data that were read for other recipes; default: none.

    Raises:
        RecipeError: with every fault of the recipe, its components, its data and its bases.
    """
    faults = [*check_references(recipe), *components.check_components(recipe)]
    if faults:
        raise RecipeError(*faults)
    data_cache = data_cache or DataCache()
    works: dict[str, Work] = {}
    for name in order(recipe):
        start = parent(recipe, name)
        if isinstance(start, str) and start in recipe.stages and start not in works:
            continue  # its parent is at fault and has been told
        try:
            works[name] = _resolve(recipe, name, works, store, data_cache)
        except RecipeError as error:
            faults.extend(error.faults)
        except DianjiError as error:
            faults.append(f"{recipe.where('stages', name)}: {error}")
    if faults:
        raise RecipeError(*dict.fromkeys(faults))
    return Schedule(recipe, tuple(works.values()))


def _resolve(recipe: Recipe, name: str, works: Mapping[str, Work], store: Store, data_cache: DataCache) -> Work:
    stage = recipe.stages[name]
    task: Task = _build("task", stage.task)
    adaptation: Adaptation = _build("adaptation", stage.adapt)
    techniques: tuple[Technique, ...] = tuple(_build("technique", technique) for technique in stage.techniques)
    start = parent(recipe, name)
    before = works.get(start) if isinstance(start, str) and start in recipe.stages else None
    source = None if before else resolve(start, task.modality, seed=recipe.seed)
    card = _card_after(before) if before else _card_of(source)
    require_modality(card, task.modality, key_of(task).name)
    # The recipe's seed decides what is in the splits and what a new base learns of them, the stage's all the rest.
    seed = recipe.seed if stage.seed is None else stage.seed
    data = data_cache.load(
        recipe.data[stage.data], task.columns, seed=recipe.seed, name=stage.data, cache=store.home / "cache"
    )
    if stage.evaluate.label_errors:
        _require_label_errors(recipe, name, card, task)
    choose_precision(stage.train.precision)  # refused here rather than after the data is encoded
    if stage.train.gradient_checkpointing:
        require_support(card.architecture)
    train = fill(stage.train, task, card, adaptation, data.splits["train"].num_rows)
    where = recipe.where("stages", name, "train", "solver")
    to_the_optimum = asked_for(where, stage.train, task, adaptation, techniques)
    spec: dict[str, Any] = {
        "format": STEP_FORMAT,
        "task": record_of(task),
        "adaptation": record_of(adaptation),
        "techniques": [record_of(technique) for technique in techniques],
        "train": _filled_train(train),
        "evaluate": stage.evaluate.model_dump(mode="json"),
        "data": {"digest": data.digest, "seed": recipe.seed, **_without_paths(recipe.data[stage.data])},
        "parent": before.step.digest if before else _digest_of(source),
        "seed": seed,
    }
    if to_the_optimum:
        # As in the filled recipe; beside it the loop's values, which decide the result if the head is not linear.
        spec |= {"train": {**_filled_train(stage.train), "solver": "lbfgs"}, "loop": spec["train"]}
    if stage.probe != "validation":  # the usual probe is not told, so that older steps keep their digests
        spec["probe"] = stage.probe
    return Work(
        name=name,
        recipe=recipe.name,
        step=store.step(digest_value(spec)),
        spec=spec,
        stage=stage,
        train=train,
        task=task,
        adaptation=adaptation,
        techniques=techniques,
        data=data,
        parent=before,
        source=source,
        card=card,
        seed=seed,
        to_the_optimum=to_the_optimum,
    )


def _require_label_errors(recipe: Recipe, name: str, card: Card, task: Task) -> None:
    where = recipe.where("stages", name, "evaluate", "label_errors")
    if "label" not in task.columns:
        raise RecipeError(f"{where}: needs a task with one label per row, found '{key_of(task).name}'. Leave it out.")
    if not card.pretrained:
        raise RecipeError(
            f"{where}: needs features that know something, and the stage starts from the new base '{card.name}'. "
            "Start from a pre-trained base, or leave it out and use: dianji data FILE --base BASE"
        )


def _build(kind: str, component: Component) -> Any:
    return REGISTRY.build(kind, component.name, component.arguments)


def _card_after(work: Work) -> Card:
    """The card of an artefact that may not exist yet."""
    return dataclasses.replace(work.card, pretrained=True, labels=())


def _card_of(source: BaseSource | None) -> Card:
    if source is None:
        raise RecipeError("a stage starts from nothing")
    return source.card()


def _digest_of(source: BaseSource | None) -> str:
    return source.digest() if source is not None else ""


def _filled_train(train: Train) -> dict[str, Any]:
    """Without what does not change what is learnt; components get their defaults."""
    parts = {kind: record_of(_build(kind, getattr(train, kind))) for kind in ("optimizer", "schedule")}
    return {**train.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)), **parts}


def _without_paths(data: Data) -> dict[str, Any]:
    """What is done to the rows. Where they lie is not part of it: their bytes are in the digest."""
    told = data.model_dump(mode="json", exclude={"path", "strict"})
    split = {
        key: "a file" if key in {"validation", "test"} and isinstance(value, str) else value
        for key, value in told["split"].items()
    }
    return {**told, "split": split}
