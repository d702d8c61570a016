"""``dianji report``: a report on a model, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Json

if TYPE_CHECKING:
    from dianji.results import Reported

Target = Annotated[
    Path,
    typer.Argument(
        metavar="ARTEFACT|RECIPE",
        help="A folder that a stage left, or a recipe file: then every finished stage of it, and its comparison.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The file to write. Default: named after recipe and stage.", show_default=False),
]
Lang = Annotated[str, typer.Option("--lang", help="The page's language: en or zh.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="html (one file) or md (with its pictures beside it).", show_default=False),
]

NoRows = Annotated[bool, typer.Option("--no-rows", help="Show no text and no picture of the data, figures alone.")]


def report(
    target: Target,
    out: Out = None,
    lang: Lang = "en",
    format: Format = None,
    no_rows: NoRows = False,
    as_json: Json = False,
) -> Answer:
    """Write a report on a model: data, scores, mistakes, where it comes from. Nothing is trained."""
    from dianji import verbs

    result = verbs.report(target, out=out, language=lang, format=format, rows=not no_rows)
    return Answer(result.to_json(), lambda: _show(result))


def _show(result: Reported) -> None:
    from dianji.cli.tables import near

    print(f"{near(result.report)}: {', '.join(result.chapters)}")
