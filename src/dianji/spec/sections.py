"""The sections of a recipe: frozen, strict, and silent about how anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    Tag,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from dianji.spec.data import Data, LimitField
from dianji.spec.document import Origin
from dianji.spec.section import (
    KIND,
    AdaptationField,
    Component,
    Name,
    OptimizerField,
    ProcedureField,
    ScheduleField,
    Section,
    Seed,
    TaskField,
    TechniqueField,
    found,
)


class NewBase(Section):
    """A base from scratch: ``{new: transformer, layers: 4, width: 256}``; the rest are the architecture's arguments."""

    new: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: object) -> object:
        if isinstance(value, Mapping) and "new" in value and not isinstance(value.get("arguments"), Mapping):
            return {"new": value["new"], "arguments": {key: item for key, item in value.items() if key != "new"}}
        return value

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {"new": self.new, **self.arguments}


def _base(value: object) -> object:
    """Reports a fault in one sentence, where pydantic would mention every branch of the union."""
    named = isinstance(value, str | NewBase) or (isinstance(value, Mapping) and isinstance(value.get("new"), str))
    if named or value is None:
        return value
    raise ValueError(
        f"a base is a registered name, a Hub id or a folder, or {{new: architecture, argument: value}}{found(value)}"
    )


#: A registered base, a Hub id or a folder (text); or a new one.
BaseField = Annotated[str | NewBase, BeforeValidator(_base), WithJsonSchema({KIND: "base"})]


#: Keys of ``Train`` that do not change the result, so that no digest covers them.
WITHOUT_EFFECT = frozenset({"checkpoint_every", "cache"})


class Train(Section):
    """Length, batches and rates of training. Null values are filled from the base, the adaptation and the task."""

    epochs: Annotated[float, Field(gt=0)] | None = None
    steps: Annotated[int, Field(gt=0)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="wall-clock budget; such a run is not reproducible to the bit"
    )
    batch_size: Annotated[int, Field(gt=0)] | None = Field(default=None, description="examples in one forward pass")
    batch_tokens: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="tokens in one forward pass, padding included; instead of batch_size"
    )
    accumulate: int = Field(default=1, ge=1, description="forward passes per optimiser step")
    optimizer: OptimizerField = Component(name="adamw")
    schedule: ScheduleField = Component(name="linear")
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    head_learning_rate: Annotated[float, Field(gt=0)] | None = None
    weight_decay: float = Field(default=0.01, ge=0, description="not on biases, norms and embeddings")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        default=1.0, description="largest gradient norm; null: no clipping"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    evaluate_every: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="optimiser steps between evaluations; null: every epoch"
    )
    checkpoint_every: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="optimiser steps between checkpoints; null: every two minutes"
    )
    solver: Literal["auto", "lbfgs", "loop"] = Field(
        default="auto",
        description="lbfgs fits a linear head on frozen features to its optimum; auto: where only such a head learns",
    )
    cache: Literal["auto", "off"] = Field(
        default="auto", description="compute the frozen part of the model once, where that is exact"
    )
    fast_layers: Literal["auto", "off"] = Field(
        default="auto", description="the same mathematics in fewer operations, for architectures that are known"
    )
    compile: Literal["auto", "on", "off"] = Field(
        default="auto", description="torch.compile; auto: where a measurement says that it pays"
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="compute activations again in the backward pass: less memory, about a third more time",
    )

    @model_validator(mode="after")
    def _one_budget(self) -> Train:
        if sum(value is not None for value in (self.epochs, self.steps, self.minutes)) > 1:
            raise ValueError("give one of epochs, steps or minutes")
        if self.batch_size is not None and self.batch_tokens is not None:
            raise ValueError("give one of batch_size or batch_tokens")
        return self


class Evaluate(Section):
    """The measurements at the end of a stage."""

    resamples: int = Field(default=1000, ge=100, description="bootstrap resamples behind each 95 % interval")
    baselines: bool = True
    label_errors: bool = Field(
        default=False, description="look for labels that are probably wrong, on frozen features of the stage's base"
    )

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The key ``label_errors`` is written only where it is set, so that older steps keep their digests."""
        values: dict[str, Any] = plain(self)
        return values if self.label_errors else {key: value for key, value in values.items() if key != "label_errors"}


class Part(Section):
    """One of several tasks that learn in one stage."""

    task: TaskField
    data: str
    weight: float = Field(default=1.0, gt=0, description="of its loss among those of the other parts")


class Mix(Section):
    """How the parts of a stage share its steps and its loss."""

    temperature: float = Field(
        default=1.0, ge=1.0, description="1: each example once an epoch; larger: small parts are drawn more often"
    )
    uncertainty: bool = Field(default=False, description="losses are weighed by learnt variances")


#: Stands for a key that is owed and not there.
_ABSENT = object()


def _owed(value: object) -> object:
    if value is _ABSENT:
        raise PydanticCustomError("missing", "Field required")
    return value


def _present(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None or key not in ("task", "data")}


class Stage(Section):
    """base or earlier stage × task(s) × data × adaptation × techniques × procedure -> artefact."""

    from_: BaseField | None = Field(
        default=None,
        alias="from",
        description="an earlier stage or a base; null: the stage before, or the recipe's base",
    )
    task: Annotated[TaskField | None, BeforeValidator(_owed)] = None
    data: Annotated[str | None, BeforeValidator(_owed)] = None
    parts: dict[Name, Part] | None = Field(
        default=None, description="several tasks with one base, a head each; instead of task and data"
    )
    mix: Mix | None = Field(default=None, description="how parts share steps and loss")
    adapt: AdaptationField = Component(name="full")
    train: Train = Field(default_factory=lambda: Train.model_construct())
    techniques: list[TechniqueField] = Field(default_factory=list)
    procedure: ProcedureField = Component(name="once")
    evaluate: Evaluate = Field(default_factory=lambda: Evaluate.model_construct())
    probe: Literal["validation", "synthetic"] = Field(
        default="validation", description="rows that every copy of the model must reproduce; synthetic: made up"
    )
    track: list[Literal["tensorboard", "wandb", "mlflow"]] = Field(default_factory=list)
    seed: Seed | None = Field(
        default=None,
        description="of new weights, batches and dropout; null: the recipe's, which alone decides how data are divided",
    )

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _task_and_data(cls, value: object) -> object:
        """Without parts both keys are owed, which is told with all other faults of the stage."""
        if not isinstance(value, Mapping) or value.get("parts") is not None:
            return value
        return {**{key: _ABSENT for key in ("task", "data") if value.get(key) is None}, **_present(value)}

    @model_validator(mode="after")
    def _one_form(self) -> Stage:
        if self.parts is not None:
            given = [key for key in ("task", "data") if getattr(self, key) is not None]
            if given:
                raise ValueError(f"a stage with 'parts' has no {' and no '.join(given)} of its own: each part has its")
            if len(self.parts) < 2:
                raise ValueError(f"'parts' takes two tasks or more, found {len(self.parts)}; write task and data")
            return self
        if self.mix is not None:
            raise ValueError("'mix' is about parts, and this stage has none")
        return self

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Either the keys of one task, or those of several."""
        told: dict[str, Any] = plain(self)
        absent = ("task", "data") if self.parts is not None else ("parts", "mix")
        return {key: value for key, value in told.items() if key not in absent}

    @property
    def tasks(self) -> dict[str, Part]:
        """The parts by name; a stage with one task has one, named ``""``."""
        if self.parts is not None:
            return dict(self.parts)
        if self.task is None or self.data is None:  # which validation has refused
            raise ValueError("a stage has a task and data, or parts")
        return {"": Part(task=self.task, data=self.data)}


class Limited(Section):
    """The same data with fewer rows to train on; validation and test stay whole."""

    limit: LimitField = Field(description="rows of the training split to use: 1000, or '10 per label'; null: all")


def _data_kind(value: object) -> str:
    return "dict[]" if isinstance(value, Mapping) else "str"


#: The discriminator keeps the faults to the branch that was meant.
DataField = Annotated[
    Annotated[str, Tag("str")] | Annotated[dict[Name, Limited], Tag("dict[]")], Discriminator(_data_kind)
]


class Variant(Section):
    """A stage with some of its fields changed; a null field keeps the value of the stage."""

    stage: str = Field(description="the stage that is varied; those it starts from stay as they are")
    name: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="what tables call it; null: its stage and what differs"
    )
    from_: BaseField | None = Field(default=None, alias="from", description="an earlier stage or a base")
    task: TaskField | None = None
    data: DataField | None = Field(
        default=None, description="other data, or {data: {limit: rows}}: fewer rows to train on"
    )
    adapt: AdaptationField | None = None
    train: Train | None = Field(default=None, description="only the keys that differ")
    techniques: list[TechniqueField] | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    @field_validator("data")
    @classmethod
    def _one_data(cls, value: str | dict[str, Limited] | None) -> str | dict[str, Limited] | None:
        if isinstance(value, dict) and len(value) != 1:
            raise ValueError(f"a stage uses one data section: {{data: {{limit: rows}}}}; found {len(value)} of them")
        return value

    @field_serializer("train")
    def _as_given(self, value: Train | None) -> dict[str, Any] | None:
        """A key that was not given is the stage's, not its default."""
        return None if value is None else value.model_dump(mode="json", exclude_unset=True)


def _variant(value: object) -> object:
    """``intent`` -> {stage}."""
    return {"stage": value} if isinstance(value, str) else value


class Compare(Section):
    """Variants of stages on the same test rows and seeds, compared with the first and the best one."""

    variants: list[Annotated[Variant, BeforeValidator(_variant)]] = Field(min_length=2)
    seeds: int = Field(default=3, ge=1, description="runs of each variant, each from a seed of its own; 3 or more")
    part: Name | None = Field(
        default=None, description="of stages with several parts: the part that is compared; null: the first"
    )

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = plain(self)
        return {key: value for key, value in values.items() if key != "part" or value is not None}

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """A list stands for ``{variants: list}``."""
        return {"variants": value} if isinstance(value, list) else value


class Recipe(Section):
    """The frozen, complete description of a project."""

    name: Name
    seed: Seed = 0
    base: BaseField | None = None
    data: dict[Name, Data] = Field(min_length=1)
    stages: dict[Name, Stage] = Field(min_length=1)
    compare: Compare | None = None

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe from a YAML file; relative paths in it are taken from the file's folder.

        Raises:
            RecipeError: the file cannot be read, or holds faults; all of them are named, each with its line.
        """
        from dianji.spec.load import load  # which builds on these sections

        return load(path)

    @classmethod
    def parse(cls, recipe: str | Mapping[str, Any], source: str = "recipe", folder: Path | None = None) -> Recipe:
        """Read a recipe from YAML text or plain values; relative paths start at ``folder``, by default the working one.

        Raises:
            RecipeError: every fault, each as ``bank.yaml, line 14: stages.intent.trian: unknown key. …``.
        """
        from dianji.spec.load import parse  # which builds on these sections

        return parse(recipe, source=source, folder=folder)

    @property
    def origin(self) -> Origin:
        """Where the recipe was written."""
        return self._origin

    def where(self, *path: str | int) -> str:
        """Begins an error about a part of the recipe: ``bank.yaml, line 14: stages.intent.task``."""
        return self._origin.where(*path)

    def from_origin(self, origin: Origin) -> Self:
        """The same recipe, which says ``origin`` is where it was written."""
        copy = self.model_copy()
        copy._origin = origin
        return copy

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``Recipe.parse(recipe.to_json()) == recipe``."""
        return self.model_dump(mode="json", by_alias=True)
