"""``dianji list``: the components that a recipe may name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Json

if TYPE_CHECKING:
    from dianji.spec.arguments import Argument

#: The argument of the command -> the registry's kinds.
KINDS: dict[str, tuple[str, ...]] = {
    "bases": ("base",),
    "architectures": ("architecture",),
    "processors": ("processor",),
    "tasks": ("task",),
    "adaptations": ("adaptation",),
    "techniques": ("technique",),
    "procedures": ("procedure",),
    "selections": ("selection",),
    "metrics": ("metric",),
    "baselines": ("baseline",),
    "optimizers": ("optimizer",),
    "schedules": ("schedule",),
    "sources": ("source",),
    "columns": ("column",),
}

Kind = Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.", show_default=False)]


def list_components(kind: Kind, as_json: Json = False) -> Answer:
    """List the components of a kind with their arguments and defaults; plug-ins too."""
    from dianji.errors import did_you_mean
    from dianji.registry import REGISTRY, key_of
    from dianji.spec.arguments import arguments, summary

    if kind not in KINDS:
        raise typer.BadParameter(f"there is no kind '{kind}'. {did_you_mean(kind, KINDS)}")
    found = [
        (of, name, key_of(cls).version, summary(cls), arguments(cls))
        for of in KINDS[kind]
        for name, cls in REGISTRY.names(of).items()
    ]
    document = [
        {"kind": of, "name": name, "version": version, "description": summary, "arguments": [_document(a) for a in has]}
        for of, name, version, summary, has in found
    ]
    return Answer({"kind": kind, "components": document}, lambda: _show(found, several=len(KINDS[kind]) > 1))


def _document(argument: Argument) -> dict[str, Any]:
    return {
        "name": argument.name,
        "type": argument.type,
        "required": argument.required,
        "default": argument.default,
        "description": argument.description,
    }


def _show(found: Sequence[tuple[str, str, int, str, Sequence[Argument]]], *, several: bool) -> None:
    import json

    from dianji.cli.tables import clean, print_pairs

    for kind, name, _, description, has in found:
        print(f"{name}{f' ({kind})' if several else ''}: {clean(description)}")
        print_pairs(
            [
                (
                    argument.name if argument.required else f"{argument.name} = {json.dumps(argument.default)}",
                    f"{argument.type}{': ' if argument.description else ''}{argument.description}",
                )
                for argument in has
            ]
        )
    if not found:
        print("There are none.")
