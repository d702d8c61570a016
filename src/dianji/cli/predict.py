"""``dianji predict``: predictions for texts, a file, or standard input."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dianji.cli.answer import Answer, on_terminal
from dianji.cli.options import Artefact, Columns, Encoding, Json, Quiet, columns_of

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|-]", help="A table, a text file or a folder; - reads standard input.", show_default=False
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option("--text", "-t", help="A text. May be given several times.", show_default=False),
]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        "--row",
        metavar="JSON",
        help='A row of several columns: --row \'{"text": "…", "other": "…"}\'. May be given several times.',
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write .jsonl, .csv or .conll instead of printing.", show_default=False),
]
Everything = Annotated[bool, typer.Option("--everything", help="Also long values, such as all probabilities.")]

Precision = Annotated[
    Literal["fp32", "bf16", "fp16", "auto"],
    typer.Option(help="Of matrix products. fp32 as in the evaluation; auto: bf16 where the hardware is built for it."),
]

#: Columns of a terminal that an input may take.
_WIDE = 60


def predict(
    artefact: Artefact,
    source: Source = None,
    text: Texts = None,
    row: Rows = None,
    out: Out = None,
    column: Columns = None,
    encoding: Encoding = "auto",
    everything: Everything = False,
    precision: Precision = "fp32",
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Predict texts, rows of several columns, the rows of a file, or standard input."""
    if sum((source is not None, bool(text), bool(row))) != 1:
        raise typer.BadParameter("give either FILE (- for standard input), or --text or --row, once or several times")
    if (text or row) and column:
        raise typer.BadParameter("--column names a column of FILE; a --text has none, and a --row has the task's own")
    if (text or row) and encoding != "auto":
        raise typer.BadParameter("--encoding is of FILE")
    if out is not None:
        from dianji.cli.rows import require_format

        require_format(out)
        everything = everything or out.suffix == ".conll"  # which holds what other forms leave out
    rows = (
        _given(artefact, text or _rows(row or []), everything, precision)
        if text or row
        else _file(artefact, str(source), columns_of(column), encoding, everything, precision, silent=as_json or quiet)
    )
    if out is not None:
        return _write(rows, out)
    if as_json:
        return Answer({"artefact": str(artefact), "predictions": list(rows)})
    _show(rows)
    return Answer(None)


def _given(artefact: Path, given: Sequence[Any], everything: bool, precision: str) -> Iterator[dict[str, Any]]:
    """Texts, or mappings from column to value."""
    from dianji import verbs

    model = verbs.open(artefact, precision=precision)
    if given and isinstance(given[0], str):
        model.require_input("text")
    predictions = model.predict(given)
    for number, (value, prediction) in enumerate(zip(given, predictions, strict=True), start=1):
        shown = {"text": value} if isinstance(value, str) else value
        yield {"row": number, **shown, "prediction": prediction.to_json(everything=everything)}


def _rows(given: Sequence[str]) -> list[dict[str, Any]]:
    """JSON objects.

    Raises:
        BadParameter: one is something else.
    """
    found = []
    for number, text in enumerate(given, start=1):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise typer.BadParameter(f"--row {number} is not JSON ({error}): {text[:60]}") from None
        if not isinstance(value, dict):
            raise typer.BadParameter(f"--row {number}: expected an object of column and value, found {text[:60]}")
        found.append(value)
    return found


def _file(
    artefact: Path,
    source: str,
    columns: Mapping[str, str],
    encoding: str,
    everything: bool,
    precision: str,
    *,
    silent: bool,
) -> Iterator[dict[str, Any]]:
    from dianji import verbs
    from dianji.cli.progress import reporter

    progress = reporter(silent=silent)
    return verbs.predict_file(
        artefact,
        source,
        everything=everything,
        columns=columns,
        encoding=encoding,
        precision=precision,
        reporter=progress,
    )


def _write(rows: Iterable[Mapping[str, Any]], out: Path) -> Answer:
    from dianji.cli.rows import write_rows

    count = write_rows(rows, out)
    return Answer({"out": str(out), "rows": count}, lambda: print(f"{count:,} predictions written to {out}"))


def _show(rows: Iterable[Mapping[str, Any]]) -> None:
    """A table on a terminal; elsewhere a line per row as it comes, with tabs between the cells."""
    from dianji.cli.rows import flat
    from dianji.cli.tables import clean, print_table, shorten

    lines = (_cells(flat(row)) for row in rows)
    if on_terminal():
        table = list(lines)
        header = list(dict.fromkeys(name for row in table for name in row))
        print_table(header, [[shorten(row.get(name, ""), _WIDE) for name in header] for row in table])
        return
    for row in lines:
        print("\t".join(clean(cell) for cell in row.values()))


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{value:.4f}" if isinstance(value, float) else str(value) for name, value in row.items()}
