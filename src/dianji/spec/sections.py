"""The sections of a recipe: frozen, strict, and silent about how anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
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

from dianji.errors import did_you_mean
from dianji.spec.document import Origin

#: In the JSON schema of the sections, what stands for "a component of this kind" until the registry is asked.
KIND = "x-component"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="letters, digits, '_', '.', '-'")]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Section(BaseModel):
    """The base of all sections: frozen, unknown keys refused, types not guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _component(value: object) -> object:
    """``lora`` -> {name}, ``{lora: {rank: 8}}`` -> {name, arguments}."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Component) or (isinstance(value, Mapping) and set(value) == {"name", "arguments"}):
        return value
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(f"a component is its name, or {{name: {{argument: value}}}}{_found(value)}")
    ((name, arguments),) = value.items()
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ValueError(f"the arguments of '{name}' are a mapping: {{{name}: {{argument: value}}}}{_found(arguments)}")
    return {"name": name, "arguments": dict(arguments or {})}


def _found(value: object) -> str:
    return "; found nothing" if value is None else f"; found {value!r:.60}"


class Component(Section):
    """A registered component by name, with the arguments its constructor gets."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        """The name without its version."""
        return self.name.partition("@")[0]

    @model_serializer
    def _as_written(self) -> str | dict[str, Any]:
        return {self.name: self.arguments} if self.arguments else self.name


TaskField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "task"})]
AdaptationField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "adaptation"})]
TechniqueField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "technique"})]
OptimizerField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "optimizer"})]
ScheduleField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "schedule"})]
ProcedureField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "procedure"})]


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
        f"a base is a registered name, a Hub id or a folder, or {{new: architecture, argument: value}}{_found(value)}"
    )


#: A registered base, a Hub id or a folder (text); or a new one.
BaseField = Annotated[str | NewBase, BeforeValidator(_base), WithJsonSchema({KIND: "base"})]


class Split(Section):
    """Which rows train, validate and test. Given files win over fractions; every choice follows from the seed.

    A fraction is of the rows that are left after given files are taken out.
    """

    validation: Fraction | str | None = Field(
        default=None, description="fraction of the rows, or a file of its own; null: 0.1 unless given"
    )
    test: Fraction | str | None = Field(
        default=None, description="fraction of the rows, or a file of its own; null: 0.2 unless given"
    )
    stratify: str | None = Field(default=None, description="column whose values keep their shares in every split")
    group: str | None = Field(
        default=None, description="column whose values are never in two splits (a customer, a document)"
    )
    time: str | None = Field(default=None, description="column to order by: the oldest rows train, the newest test")

    @model_validator(mode="after")
    def _rows_left_to_train(self) -> Split:
        if isinstance(self.validation, float) and isinstance(self.test, float) and self.validation + self.test >= 1.0:
            raise ValueError(f"validation {self.validation} and test {self.test} together leave no rows to train on")
        return self


class Clean(Section):
    """Rows to leave out; every removal is counted in the data report."""

    drop_duplicates: bool = False
    drop_empty: bool = False
    min_length: int | None = Field(default=None, ge=0, description="characters of the text column")
    max_length: int | None = Field(default=None, ge=1, description="characters of the text column")


def _readable(value: int | str | None) -> int | str | None:
    if isinstance(value, str) and not re.fullmatch(r"[1-9]\d* per label", value):
        raise ValueError(f"expected a number of rows, or text such as '10 per label', found {value!r:.60}")
    return value


LimitField = Annotated[Annotated[int, Field(gt=0)] | str | None, AfterValidator(_readable)]


#: Encodings that messages name; Python knows a hundred.
_ENCODINGS = (
    *("auto", "utf-8", "utf-16", "gb18030", "gbk", "big5", "euc-kr", "euc-jp", "shift_jis", "iso2022_jp", "latin-1"),
    *("windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256"),
    *("koi8-r", "cp437", "cp850", "cp866", "cp874", "mac-roman"),
)


def text_encoding(value: str) -> str:
    """The value, if it is ``auto`` or the name of a text encoding.

    Raises:
        ValueError: it is neither.
    """
    if value == "auto":
        return value
    try:
        "text".encode(value)  # refuses codecs that are no text encodings, such as base64
    except (LookupError, UnicodeError, ValueError):
        raise ValueError(
            f"expected auto, or a text encoding that Python knows, found {value!r:.60}. "
            f"{did_you_mean(value, _ENCODINGS)}"
        ) from None
    return value


EncodingField = Annotated[str, AfterValidator(text_encoding)]


class Data(Section):
    """The source of rows, and the meaning of their columns."""

    path: str | list[str] | None = Field(
        default=None, description="file, folder, glob, several of them, or a Hub id with format: hub"
    )
    format: str = Field(
        default="auto", description="a source such as csv, jsonl, parquet or images; auto: told by the file"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="the source's own arguments, such as delimiter or query"
    )
    encoding: EncodingField = Field(
        default="auto", description="auto, or any text encoding that Python knows, such as gb18030 or shift_jis"
    )
    columns: dict[str, str | Annotated[list[str], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="the task's name of a column -> its name in the data; several columns of 0 and 1 for labels",
    )
    split: Split = Field(default_factory=lambda: Split.model_construct())
    clean: Clean = Field(default_factory=lambda: Clean.model_construct())
    drop: list[str] = Field(default_factory=list, description="labels whose rows are left out")
    limit: LimitField = Field(default=None, description="rows of the training split to use: 1000, or '10 per label'")
    names: bool = Field(
        default=False, description="each label's name, in words, is one more training row of it; pays with few rows"
    )
    stream: bool = Field(
        default=False, description="for pre-training: rows go through memory a chunk at a time, however many there are"
    )
    strict: bool = Field(default=False, description="leakage (near-duplicates too) and conflicting labels are errors")

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Newer keys are written only where they are set, so that older steps keep their digests."""
        values: dict[str, Any] = plain(self)
        return {key: value for key, value in values.items() if value or key not in ("names", "stream")}


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
