"""``dianji show``: describes an artefact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Artefact, Json

if TYPE_CHECKING:
    from dianji.verbs.history import Ancestor, Lineage

WithLineage = Annotated[bool, typer.Option("--lineage", help="Only where it comes from, back to data and base.")]

#: Items of a list that people are shown; ``--json`` has them all.
_FEW = 12


def show(artefact: Artefact, lineage: WithLineage = False, as_json: Json = False) -> Answer:
    """Describe an artefact: task, labels, base, parents, metrics, cost, versions, files."""
    from dianji import verbs

    if lineage:
        found = verbs.lineage(artefact)
        return Answer(found.to_json(), lambda: _show_lineage(found))
    description = verbs.show(artefact)
    return Answer(description, lambda: _show(description))


def _show(description: Mapping[str, Any]) -> None:
    from dianji.cli.tables import print_pairs

    for name, value in description.items():
        if isinstance(value, Mapping):
            pairs = [(key, _line(item)) for key, item in _flat(value)]
            if pairs:
                print(name)
                print_pairs(pairs)
        elif not _is_empty(value):
            print(f"{name}: {_line(value)}")


def _show_lineage(found: Lineage) -> None:
    from dianji.cli.tables import clean

    print(found.artefact)
    for depth, link in enumerate(found.links):
        print(f"{'   ' * depth}└─ {clean(_link(link))}")


def _link(link: Ancestor) -> str:
    if link.kind == "base":
        return f"base {link.name} ({link.digest})"
    data = ", ".join(f"{name} ({digest})" for name, digest in link.data.items())
    how = f": {link.task}, {link.adaptation}, on {data}" if link.task else ""
    return f"stage {link.name} ({link.digest}){how}"


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys joined by dots, down to values that fit on a line; without figures per class, which fill pages."""
    for key, item in value.items():
        name = f"{above}{key}"
        if isinstance(item, Mapping) and not _is_estimate(item):
            yield from _flat(item, f"{name}.") if key != "classes" else ()
        elif not _is_empty(item):
            yield name, item


def _line(value: Any) -> str:
    match value:
        case Mapping() if _is_estimate(value):
            return f"{value['value']:.4f}  ({value['low']:.4f} … {value['high']:.4f}, n {value['n']:,})"
        case Mapping():
            return ", ".join(f"{key} {_line(item)}" for key, item in value.items())
        case list():
            few = ", ".join(_line(item) for item in value[:_FEW])
            return f"{few}, … ({len(value)} in all)" if len(value) > _FEW else few
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
    return str(value)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [])


def _is_estimate(value: Mapping[str, Any]) -> bool:
    return set(value) == {"value", "low", "high", "n"}
