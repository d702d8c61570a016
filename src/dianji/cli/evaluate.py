"""``dianji evaluate``: measure an artefact on rows with their truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Artefact, Columns, Encoding, Json, Quiet, columns_of

if TYPE_CHECKING:
    from dianji.results import Evaluation

DataPath = Annotated[str, typer.Argument(metavar="DATA", help="A table or folder with labels.", show_default=False)]


def evaluate(
    artefact: Artefact,
    data: DataPath,
    column: Columns = None,
    encoding: Encoding = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Measure an artefact on a table, with 95 % intervals."""
    from dianji import verbs
    from dianji.cli.progress import reporter

    columns = columns_of(column)
    progress = reporter(silent=as_json or quiet)
    result = verbs.evaluate(artefact, data, columns=columns, encoding=encoding, reporter=progress)
    return Answer(result.to_json(), lambda: _show(result))


def _show(result: Evaluation) -> None:
    from dianji.cli.tables import estimate, print_table

    print(f"{result.artefact} on {result.rows:,} rows of {result.data}")
    names = sorted(result.metrics, key=lambda name: name != result.primary)
    rows = [[name, *estimate(result.metrics[name])] for name in names]
    print_table(["metric", "value", "95 % interval"], rows, right=(1, 2))
