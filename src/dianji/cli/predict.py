"""``dianji predict``: predictions for texts, a file, or standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    out: Out = None,
    column: Columns = None,
    encoding: Encoding = "auto",
    everything: Everything = False,
    precision: Precision = "fp32",
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Predict texts, the rows of a file, or standard input."""
    if (source is None) == (not text):
        raise typer.BadParameter("give either FILE (- for standard input) or --text, once or several times")
    if text and column:
        raise typer.BadParameter("--column names a column of FILE; a --text has none")
    if text and encoding != "auto":
        raise typer.BadParameter("--encoding is of FILE; a --text has none")
    if out is not None:
        from dianji.cli.rows import require_format

        require_format(out)
        everything = everything or out.suffix == ".conll"  # which holds what other forms leave out
    rows = (
        _texts(artefact, text, everything, precision)
        if text
        else _file(artefact, str(source), columns_of(column), encoding, everything, precision, silent=as_json or quiet)
    )
    if out is not None:
        return _write(rows, out)
    if as_json:
        return Answer({"artefact": str(artefact), "predictions": list(rows)})
    _show(rows)
    return Answer(None)


def _texts(artefact: Path, texts: list[str], everything: bool, precision: str) -> Iterator[dict[str, Any]]:
    from dianji import verbs

    model = verbs.open(artefact, precision=precision)
    model.require_input("text")
    predictions = model.predict(texts)
    for number, (text, prediction) in enumerate(zip(texts, predictions, strict=True), start=1):
        yield {"row": number, "text": text, "prediction": prediction.to_json(everything=everything)}


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
