"""``dianji diff``: the differences between two artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Json

if TYPE_CHECKING:
    from dianji.verbs.differing import Changed, Difference

One = Annotated[Path, typer.Argument(metavar="A", help="A folder that a stage left.", show_default=False)]
Other = Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)]

#: Columns of a terminal that a value may take.
_WIDE = 40


def diff(a: One, b: Other, as_json: Json = False) -> Answer:
    """Compare two artefacts: filled recipes, data, versions, scores with their intervals, cost."""
    from dianji import verbs

    found = verbs.diff(a, b)
    return Answer(found.to_json(), lambda: _show(found))


def _show(found: Difference) -> None:
    from dianji.cli.tables import clean, estimate, print_table

    print(f"A  {found.a}\nB  {found.b}")
    for note in found.notes:
        print(f"note: {clean(note)}")
    for title, changes in (
        ("recipe", found.recipe),
        ("data", found.data),
        ("versions", found.versions),
        ("cost", found.cost),
    ):
        _changes(title, changes)
    if not found.scores:
        print("scores: none that both have")
        return
    rows = [
        [score.split, score.metric, *estimate(score.a), *estimate(score.b), f"{score.b.value - score.a.value:+.4f}"]
        for score in found.scores
    ]
    header = ["split", "metric", "A", "95 % interval", "B", "95 % interval", "B - A"]
    print_table(header, rows, right=range(2, len(header)))


def _changes(title: str, changes: Sequence[Changed]) -> None:
    from dianji.cli.tables import print_table

    if not changes:
        print(f"{title}: the same")
        return
    print_table([title, "A", "B"], [[change.key, _value(change.a), _value(change.b)] for change in changes])


def _value(value: Any) -> str:
    import json

    from dianji.cli.tables import shorten

    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shorten(text, _WIDE)
