"""The base of a recipe's sections, and fields that name components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_serializer

#: In the JSON schema of the sections, what stands for "a component of this kind" until the registry is asked.
KIND = "x-component"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="letters, digits, '_', '.', '-'")]
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
        raise ValueError(f"a component is its name, or {{name: {{argument: value}}}}{found(value)}")
    ((name, arguments),) = value.items()
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ValueError(f"the arguments of '{name}' are a mapping: {{{name}: {{argument: value}}}}{found(arguments)}")
    return {"name": name, "arguments": dict(arguments or {})}


def found(value: object) -> str:
    """The end of a message about a value: what was found instead."""
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
SelectionField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "selection"})]
ProcedureField = Annotated[Component, BeforeValidator(_component), WithJsonSchema({KIND: "procedure"})]
