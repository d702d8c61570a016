"""``dianji index``: cut documents into passages, and make an index of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Columns, Encoding, Json, Quiet, columns_of

if TYPE_CHECKING:
    from dianji.verbs.searching import Indexed

Documents = Annotated[
    str,
    typer.Argument(
        metavar="DOCUMENTS",
        help="A table, a folder of text files (a document each), or a text file (a document per line).",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to make.", show_default=False)]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A sentence-embedding artefact, or a base such as minilm. Without it: BM25 alone.",
        show_default=False,
    ),
]
Length = Annotated[
    int | None,
    typer.Option(
        help="The most tokens of a passage; default: what the model reads, else 256 words.", show_default=False
    ),
]
Overlap = Annotated[
    int | None,
    typer.Option(help="The most tokens that a passage repeats; default: an eighth of its length.", show_default=False),
]
Engine = Annotated[
    str, typer.Option(help="How vectors are searched: exact; or faiss, approximately, which pays with many passages.")
]
DropEmpty = Annotated[bool, typer.Option("--drop-empty", help="Leave out empty documents instead of refusing them.")]
Replace = Annotated[bool, typer.Option("--force", help="Replace another index that is there.")]


def index(
    documents: Documents,
    out: Out,
    model: ModelOption = None,
    column: Columns = None,
    encoding: Encoding = "auto",
    length: Length = None,
    overlap: Overlap = None,
    engine: Engine = "exact",
    drop_empty: DropEmpty = False,
    force: Replace = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Make an index of documents, which `dianji search` searches."""
    from dianji import verbs
    from dianji.cli.progress import reporter

    made = verbs.index(
        documents,
        out,
        model=model,
        columns=columns_of(column),
        encoding=encoding,
        length=length,
        overlap=overlap,
        engine=engine,
        drop_empty=drop_empty,
        force=force,
        reporter=reporter(silent=as_json or quiet),
    )
    return Answer(made.to_json(), lambda: _show(made))


def _show(made: Indexed) -> None:
    state = "is there already" if made.reused else "made"
    print(f"{made.index} {state}: {made.documents:,} documents, {made.passages:,} passages, {made.bytes / 1e6:,.1f} MB")
    print(f"  ranks by {', '.join(made.ways)}{f'; vectors of {made.model}' if made.model else ''}")
    if made.approximate is not None:
        of = made.approximate
        print(
            f"  faiss: {of['probes']} of {of['lists']:,} lists for each query find {of['recall_at_10']:.1%} of the 10 "
            f"nearest ({of['queries']} queries)"
        )
        print(
            f"  queries per second, one by one: {of['approximate_per_second']:,.0f}, exact "
            f"{of['exact_per_second']:,.0f}"
        )
        if of["approximate_per_second"] <= of["exact_per_second"]:
            print("  it is no faster than exact search here: make the index with --engine exact")
    print(f"Search it: dianji search {made.index} TEXT")
