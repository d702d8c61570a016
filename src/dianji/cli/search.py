"""``dianji search``: the best passages for queries, or how well they are found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Columns, Encoding, Json, Quiet, columns_of

if TYPE_CHECKING:
    from dianji.retrieval.measured import Searched
    from dianji.verbs.searching import Found

IndexFolder = Annotated[
    Path, typer.Argument(metavar="INDEX", help="A folder that `dianji index` made.", show_default=False)
]
Texts = Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Queries.", show_default=False)]
QueryFile = Annotated[
    str | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="A table with a column query; with a column relevant (ids of documents) the search is measured.",
        show_default=False,
    ),
]
K = Annotated[int, typer.Option("--k", "-k", help="Hits for each query.")]
By = Annotated[
    str | None,
    typer.Option(help="bm25, vectors or hybrid; default: hybrid where the index has vectors.", show_default=False),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Where the index's model lies now, if it was moved.", show_default=False),
]
Rerank = Annotated[
    Path | None,
    typer.Option(help="An artefact that scores pairs of texts and reads the first hits again.", show_default=False),
]
Depth = Annotated[int, typer.Option(help="With --rerank: how many hits of each query it reads.")]

#: Characters of a passage that are shown on a line.
_WIDE = 100


def search(
    index: IndexFolder,
    texts: Texts = None,
    queries: QueryFile = None,
    k: K = 10,
    by: By = None,
    model: ModelOption = None,
    rerank: Rerank = None,
    depth: Depth = 50,
    column: Columns = None,
    encoding: Encoding = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Search an index, or measure how well it finds what is known to be right."""
    if (queries is None) == (not texts):
        raise typer.BadParameter("give either TEXT, once or several times, or --queries FILE")
    if texts and (column or encoding != "auto"):
        raise typer.BadParameter("--column and --encoding are of --queries; a TEXT has none")
    from dianji import verbs
    from dianji.cli.progress import reporter

    if queries is None:
        found = verbs.search(index, texts or [], k=k, by=by, model=model, rerank=rerank, depth=depth)
        return _hits(index, found)
    result = verbs.search_file(
        index,
        queries,
        k=k,
        by=by,
        model=model,
        rerank=rerank,
        depth=depth,
        columns=columns_of(column),
        encoding=encoding,
        reporter=reporter(silent=as_json or quiet),
    )
    if isinstance(result, list):
        return _hits(index, result)
    measured = result
    return Answer(measured.to_json(), lambda: _show_measured(measured))


def _hits(index: Path, found: Sequence[Found]) -> Answer:
    document = {"index": str(index), "queries": [of.to_json() for of in found]}
    return Answer(document, lambda: _show_hits(found))


def _show_hits(found: Sequence[Found]) -> None:
    from dianji.cli.tables import clean, shorten

    for of in found:
        if len(found) > 1:
            print(clean(of.query))
        for hit in of.hits:
            place = hit.id if hit.id == hit.source else f"{hit.id} ({hit.source})"
            print(f"{hit.rank:>3}  {hit.score:.4f}  {clean(place)}, characters {hit.start:,} to {hit.stop:,}")
            print(f"     {shorten(hit.text, _WIDE)}")
        if not of.hits:
            print("     nothing found")


def _show_measured(result: Searched) -> None:
    from dianji.cli.tables import estimate, print_table

    print(f"{result.index} by {result.by}, on {result.queries:,} queries of {result.data}")
    beside = result.baseline
    header = ["metric", "value", "95 % interval", *(["bm25", "95 % interval"] if beside else [])]
    rows = [
        [name, *estimate(value), *(estimate(beside[name]) if beside else ())] for name, value in result.metrics.items()
    ]
    print_table(header, rows, right=(1, 2, 3, 4))
    if result.difference is not None:
        of = result.difference
        print(f"  {of.metric} less that of bm25: {of.value:+.4f} ({of.low:+.4f} … {of.high:+.4f}), p {of.p:.3f}")
    print(f"  {result.queries_per_second:,.0f} queries per second")
