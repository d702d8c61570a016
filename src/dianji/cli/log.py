"""``dianji log``: the runs of a store, with dates, inputs and parents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Json

if TYPE_CHECKING:
    from dianji.verbs.history import Past

Few = Annotated[int | None, typer.Option("--last", "-n", min=1, help="Only the last so many.", show_default=False)]

#: Digits of a digest that tell steps apart for people; ``--json`` has them all.
_DIGITS = 12


def log(last: Few = None, as_json: Json = False) -> Answer:
    """Show the runs of the store, oldest first, with dates, inputs, parents and results."""
    from dianji import verbs

    runs = verbs.log()
    runs = runs[-last:] if last else runs
    return Answer({"runs": [run.to_json() for run in runs]}, lambda: _show(runs))


def _show(runs: Sequence[Past]) -> None:
    from dianji.cli.tables import print_table

    if not runs:
        print("Nothing was run here yet. DIANJI_HOME names another store.")
        return
    header = ["began", "recipe", "stage", "step", "on", "from", "state", "score"]
    print_table(header, [_row(run) for run in runs])


def _row(run: Past) -> list[str]:
    data = ", ".join(f"{name} ({digest[:_DIGITS]})" for name, digest in run.data.items())
    parent = f"{run.parent.kind} {run.parent.name} ({run.parent.digest[:_DIGITS]})" if run.parent else ""
    score = f"{run.metric} {run.score.value:.4f}" if run.score else ""
    began = run.began.replace("T", " ").removesuffix("+00:00")
    return [began, run.recipe, run.stage, run.step[:_DIGITS], data, parent, run.state, score]
