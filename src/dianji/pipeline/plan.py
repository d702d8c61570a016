"""Plans a recipe as steps with digests; reports every fault before any model is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dianji.adapt.base import Adaptation
from dianji.bases.base import BaseSource, Card
from dianji.bases.checks import require_modality
from dianji.bases.resolve import resolve
from dianji.data.read import Loaded
from dianji.engine.defaults import fill
from dianji.engine.recomputing import require_support
from dianji.engine.runtime import choose_precision
from dianji.engine.solver import asked_for
from dianji.errors import DianjiError, RecipeError
from dianji.pipeline.derived import Maker, NotYet
from dianji.pipeline.plan_data import DataCache, Reading, Section, data_spec, missing_data, together
from dianji.procedures.base import Procedure
from dianji.registry import REGISTRY, key_of, record_of
from dianji.results import Plan, PlannedStage
from dianji.spec import components
from dianji.spec.references import before, check_references, columns_of, needs, order, parent
from dianji.spec.section import Component
from dianji.spec.sections import WITHOUT_EFFECT, Mix, Recipe, Stage, Train
from dianji.store.digest import digest_value
from dianji.store.steps import StepFolder, Store
from dianji.tasks.base import Task
from dianji.tasks.joint import Joint
from dianji.techniques.base import Technique

#: Changes when a change of Dianji makes old steps differ from what would be computed now.
STEP_FORMAT = 3


@dataclass(frozen=True)
class WorkPart:
    """One task of a stage on its data."""

    task: Task  # as the recipe has it, not fitted
    section: str  # of the recipe's data
    data: Loaded
    columns: Mapping[str, str | list[str]]  # the task's name -> the data's
    weight: float


@dataclass(frozen=True)
class Work:
    """One stage, resolved: its task, data and components, under the digest of all that decides its result."""

    name: str
    recipe: str
    step: StepFolder
    spec: Mapping[str, Any]
    stage: Stage
    train: Train
    task: Task  # of several parts a ``Joint``
    parts: Mapping[str, WorkPart]  # one, named "", unless the stage has several
    adaptation: Adaptation
    techniques: tuple[Technique, ...]
    data: Loaded  # the rows of all parts
    procedure: Procedure
    parent: Work | None  # an earlier stage …
    source: BaseSource | None  # … or a base
    card: Card  # of what the stage starts from
    seed: int
    to_the_optimum: bool  # whether a linear head is fitted in one go; ``train`` is what the loop would do

    @property
    def parent_digest(self) -> str:
        """The digest of the earlier stage's step, or of the base."""
        return str(self.spec["parent"])

    def ancestors(self) -> list[dict[str, Any]]:
        """The stages before this one, nearest first; each spec names the digest of the next one's."""
        before = self.parent
        return [before.as_ancestor(), *before.ancestors()] if before else []

    def as_ancestor(self) -> dict[str, Any]:
        """The entry for this stage in the lineage of a later stage."""
        return {"stage": self.name, "digest": self.step.digest, "spec": dict(self.spec)}

    def planned(self) -> PlannedStage:
        """The summary for a plan."""
        return PlannedStage(
            name=self.name,
            digest=self.step.digest,
            state=self.step.state,
            starts_from=f"stage {self.parent.name}" if self.parent else f"base {self.card.name}",
            task=" + ".join(key_of(part.task).name for part in self.parts.values()),
            adapt=key_of(self.adaptation).name,
            data=" + ".join(part.section for part in self.parts.values()),
            rows={name: table.num_rows for name, table in self.data.splits.items()},
            folder=self.step.folder,
        )


@dataclass(frozen=True)
class Schedule:
    """All stages of a recipe, in an order in which they can run."""

    recipe: Recipe
    works: tuple[Work, ...]
    #: Stages that cannot be planned yet: their rows are made by stages that are not done.
    waiting: tuple[PlannedStage, ...] = ()

    @property
    def last(self) -> str:
        """The name of the stage that is run last."""
        return self.waiting[-1].name if self.waiting else self.works[-1].name

    @property
    def digest(self) -> str:
        """The digest of all steps that can be planned."""
        return digest_value([work.step.digest for work in self.works])

    def plan(self) -> Plan:
        """The plan that ``dianji check`` prints."""
        warnings = [warning for work in self.works for warning in work.data.warnings]
        return Plan(
            recipe=self.recipe.name,
            digest=self.digest,
            stages=(*(work.planned() for work in self.works), *self.waiting),
            warnings=tuple(dict.fromkeys(warnings)),
            filled=self.filled().to_json(),
        )

    def filled(self) -> Recipe:
        """The planned part of the recipe with every default written out, also those that follow from base and data.

        The comparison is not part of it: variants are recipes of their own. The filled recipe gives the same digests.
        """
        recipe = components.fill(self.recipe)
        stages = {stage.name: recipe.stages[stage.name] for stage in self.waiting}
        for work in self.works:
            stage = recipe.stages[work.name]
            parts = {"optimizer": stage.train.optimizer, "schedule": stage.train.schedule}
            # What only the loop needs stays open where a head is fitted: given, it would ask for the loop.
            train = (stage.train if work.to_the_optimum else work.train).model_copy(update=parts)
            changes = {"from_": parent(recipe, work.name), "train": train, "seed": work.seed}
            stages[work.name] = stage.model_copy(update=changes)
        stages = {name: stages[name] for name in recipe.stages if name in stages}
        data = {name: of for name, of in recipe.data.items() if of.from_ is None or of.from_ in stages}
        return recipe.model_copy(update={"stages": stages, "data": data, "compare": None})

    def upto(self, stage: str) -> Schedule:
        """The schedule of ``stage`` and the stages that it needs."""
        wanted = {stage, *before(self.recipe, stage)}
        works = tuple(work for work in self.works if work.name in wanted)
        return Schedule(self.recipe, works, tuple(one for one in self.waiting if one.name in wanted))


def schedule(recipe: Recipe, store: Store, data_cache: DataCache | None = None, *, select: bool = False) -> Schedule:
    """Resolve a recipe.

    Args:
        recipe: the recipe to plan.
        store: where steps lie.
        data_cache: data that were read for other recipes; default: none.
        select: whether stages that are done may make rows for later ones now, which opens models; otherwise these wait.

    Raises:
        RecipeError: with every fault of the recipe, its components, its data and its bases.
    """
    faults = [*check_references(recipe), *components.check_components(recipe)]
    if faults:
        faults += missing_data(recipe)
        raise RecipeError(*faults)
    data_cache = data_cache or DataCache()
    works: dict[str, Work] = {}
    waiting: dict[str, PlannedStage] = {}
    for name in order(recipe):
        needed = set(needs(recipe, name))
        if needed & waiting.keys():
            waiting[name] = _waiting(recipe, name, store)
            continue
        if needed - works.keys():
            continue  # what it needs is at fault and has been told
        try:
            works[name] = _resolve(recipe, name, works, Reading(recipe, store, data_cache, select))
        except NotYet:
            waiting[name] = _waiting(recipe, name, store)
        except RecipeError as error:
            faults.extend(error.faults)
        except DianjiError as error:
            faults.append(f"{recipe.where('stages', name)}: {error}")
    if faults:
        raise RecipeError(*dict.fromkeys(faults))
    return Schedule(recipe, tuple(works.values()), tuple(waiting.values()))


def _waiting(recipe: Recipe, name: str, store: Store) -> PlannedStage:
    stage, start = recipe.stages[name], parent(recipe, name)
    return PlannedStage(
        name=name,
        digest="",
        state="waiting",
        starts_from=f"stage {start}"
        if start in recipe.stages
        else f"base {start if isinstance(start, str) else 'new'}",
        task=" + ".join(str(part.task) for part in stage.tasks.values()),
        adapt=str(stage.adapt),
        data=" + ".join(part.data for part in stage.tasks.values()),
        rows={},
        folder=store.home,
    )


def _resolve(recipe: Recipe, name: str, works: Mapping[str, Work], reading: Reading) -> Work:
    stage = recipe.stages[name]
    asked: dict[str, Task] = {part: _build("task", of.task) for part, of in stage.tasks.items()}
    task = joined(asked, stage)
    adaptation: Adaptation = _build("adaptation", stage.adapt)
    techniques: tuple[Technique, ...] = tuple(_build("technique", technique) for technique in stage.techniques)
    start = parent(recipe, name)
    earlier = works.get(start) if isinstance(start, str) and start in recipe.stages else None
    source = None if earlier else resolve(start, task.modality, seed=recipe.seed)
    card = _card_after(earlier) if earlier else _card_of(source)
    for part in asked.values():
        require_modality(card, part.modality, key_of(part).name)
    # The recipe's seed decides what is in the splits and what a new base learns of them, the stage's all the rest.
    seed = recipe.seed if stage.seed is None else stage.seed
    _require_whole_batches(recipe, name, task)
    procedure: Procedure = _build("procedure", stage.procedure)
    makers = {of.name: Maker(of.name, of.task, of.step) for of in works.values()}
    parts = {
        part: WorkPart(
            task=asked[part],
            section=of.data,
            data=reading.rows(of.data, asked[part], makers),
            columns=columns_of(recipe, recipe.data[of.data]),
            weight=of.weight,
        )
        for part, of in stage.tasks.items()
    }
    data = together({part: of.data for part, of in parts.items()}, asked)
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
        "data": data_spec(recipe, data, {part: Section(of.section, of.data, of.columns) for part, of in parts.items()}),
        "procedure": record_of(procedure),
        "parent": earlier.step.digest if earlier else _digest_of(source),
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
        step=reading.store.step(digest_value(spec)),
        spec=spec,
        stage=stage,
        train=train,
        task=task,
        parts=parts,
        adaptation=adaptation,
        techniques=techniques,
        data=data,
        procedure=procedure,
        parent=earlier,
        source=source,
        card=card,
        seed=seed,
        to_the_optimum=to_the_optimum,
    )


def _require_whole_batches(recipe: Recipe, name: str, task: Task) -> None:
    """Refuse accumulation where the loss of each example depends on the others of its batch.

    Raises:
        RecipeError: several batches would make one step, each with losses of its own.
    """
    parts = recipe.stages[name].train.accumulate
    if task.couples_examples and parts > 1:
        raise RecipeError(
            f"{recipe.where('stages', name, 'train', 'accumulate')}: the loss of '{key_of(task).name}' compares the "
            f"examples of a batch with each other, so {parts} batches are not one large batch. Leave accumulate out "
            "and raise batch_size; the task's at_once bounds the memory that a batch takes."
        )


def _require_label_errors(recipe: Recipe, name: str, card: Card, task: Task) -> None:
    where = recipe.where("stages", name, "evaluate", "label_errors")
    if not task.linear_head:
        raise RecipeError(f"{where}: needs a task with one label per row, found '{key_of(task).name}'. Leave it out.")
    if not card.pretrained:
        raise RecipeError(
            f"{where}: needs features that know something, and the stage starts from the new base '{card.name}'. "
            "Start from a pre-trained base, or leave it out and use: dianji data FILE --base BASE"
        )


def joined(tasks: Mapping[str, Task], stage: Stage) -> Task:
    """The stage's task; several are joined.

    Raises:
        CapabilityError: several cannot be joined.
    """
    if stage.parts is None:
        return next(iter(tasks.values()))
    mix = stage.mix or Mix()
    weights = {part: of.weight for part, of in stage.parts.items()}
    return Joint.of(tasks, weights, temperature=mix.temperature, uncertainty=mix.uncertainty)


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
    """The section without keys that do not change the result; components get their defaults."""
    parts = {kind: record_of(_build(kind, getattr(train, kind))) for kind in ("optimizer", "schedule")}
    return {**train.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)), **parts}
