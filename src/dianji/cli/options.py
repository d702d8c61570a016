"""Arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dianji.errors import RecipeError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file (YAML).", show_default=False)]
Artefact = Annotated[Path, typer.Argument(metavar="ARTEFACT", help="A folder that a stage left.", show_default=False)]
DataPath = Annotated[
    str, typer.Argument(metavar="DATA", help="A table, a text file, a folder, or a glob.", show_default=False)
]
RecipeOut = Annotated[Path, typer.Option("--out", "-o", help="Where to write the recipe.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a recipe that is there.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        "-c",
        metavar="NAME=COLUMN",
        help="What the task calls a column = what the data calls it, such as text=query. May be given several times.",
        show_default=False,
    ),
]

Encoding = Annotated[
    str, typer.Option("--encoding", help="Of text files: auto, or any that Python knows, such as gb18030.")
]


def columns_of(given: list[str] | None) -> dict[str, str]:
    """``["text=query"]`` -> ``{"text": "query"}``.

    Raises:
        RecipeError: one has no ``=``, or a name is given twice.
    """
    pairs = [text.partition("=") for text in given or ()]
    faults = [
        f"--column {name}: expected NAME=COLUMN, such as text=query" for name, sign, of in pairs if not sign or not of
    ]
    names = [name for name, _, _ in pairs]
    faults += [
        f"--column {name}: given {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    if faults:
        raise RecipeError(*faults)
    return {name: column for name, _, column in pairs}


def require_free(path: Path, *, force: bool) -> None:
    """Refuse to write over a file unless that is asked for.

    Raises:
        RecipeError: there is one.
    """
    if path.exists() and not force:
        raise RecipeError(f"{path}: there is a file already. Name another with --out, or replace it with --force.")
