"""Makes an index of documents, searches it, and measures a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from dianji.errors import CapabilityError, RecipeError, did_you_mean
from dianji.reporting import Reporter, Silent
from dianji.retrieval.build import Engine, Settings, build
from dianji.retrieval.documents import read_documents
from dianji.retrieval.encoder import Encoder
from dianji.retrieval.manifest import IndexManifest
from dianji.retrieval.measured import Searched, measure, read_queries
from dianji.retrieval.opened import Index
from dianji.retrieval.ranking import Hit
from dianji.retrieval.rerank import DEPTH, PairScorer
from dianji.spec.data import text_encoding
from dianji.store.steps import Store


@dataclass(frozen=True)
class Indexed:
    """The result of ``dianji index``."""

    index: Path
    documents: int
    passages: int
    ways: tuple[str, ...]
    model: str | None
    #: Lists, probes, recall and times of approximate search; None where it is exact.
    approximate: Mapping[str, Any] | None
    bytes: int
    reused: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "index": str(self.index), "ways": list(self.ways)}


@dataclass(frozen=True)
class Found:
    """A query with its hits."""

    query: str
    hits: tuple[Hit, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"query": self.query, "hits": [hit.to_json() for hit in self.hits]}


def index(
    data: str,
    out: Path | str,
    *,
    model: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "auto",
    length: int | None = None,
    overlap: int | None = None,
    engine: str = "exact",
    drop_empty: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
    store: Store | None = None,
) -> Indexed:
    """Cut documents into passages and make an index of them; the same call goes on where a killed one was.

    Args:
        data: a table, a folder of text files (a document each), or a text file (a document per line).
        out: the folder to make.
        model: an artefact of sentence-embedding, or a base such as ``minilm``; None: BM25 alone.
        columns: ``text`` and ``id`` -> their names in the data; without ids, file and row are the id.
        encoding: of text files.
        length: the most tokens of a passage; default: what the model reads, without a model 256 words.
        overlap: the most tokens of whole sentences that a passage repeats; default: an eighth of its length.
        engine: ``exact``, or ``faiss`` for approximate search, which pays with many passages.
        drop_empty: leave out empty documents instead of refusing them.
        force: replace another index at ``out``.
        reporter: receives messages and progress.
        store: where encoded blocks are kept until the index is whole; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        ArtefactError: the model is damaged, or a fresh process does not reproduce the index.
        CapabilityError: the model gives no vectors, FAISS is missing, or there are too few passages for it.
        DataError: what is wrong with files, columns and documents.
        RecipeError: a length or the engine is out of range.
        StoreError: something else is at ``out``, or the disk is full.
    """
    reporter = reporter or Silent()
    chosen: Engine | None = next((name for name in get_args(Engine) if name == engine), None)
    if chosen is None:
        raise RecipeError(f"--engine: there is no engine '{engine}'. {did_you_mean(engine, get_args(Engine))}")
    if chosen == "faiss" and model is None:
        raise CapabilityError("--engine faiss searches vectors, which need a model. Name one with --model.")
    encoder = Encoder.open(str(model)) if model is not None else None
    settings = Settings(length, overlap, chosen)
    if encoder is not None and settings.cut(encoder).length > encoder.embedder.length:
        raise RecipeError(f"--length: the model reads {encoder.embedder.length} tokens of a passage, found {length}.")
    documents = read_documents(
        data, columns=columns, encoding=_encoding(encoding), drop_empty=drop_empty, warn=reporter.warn
    )
    made = build(documents, Path(out), encoder, settings, store or Store.default(), reporter, path=data, force=force)
    manifest, folder = made.index.manifest, made.index.folder
    size = sum(file.stat().st_size for file in folder.iterdir())
    name = manifest.model.name if manifest.model is not None else None
    counts = manifest.documents.count, manifest.passages.count
    return Indexed(folder, *counts, made.index.ways, name, manifest.approximate, size, made.reused)


def search(
    index: Path | str,
    texts: Sequence[str],
    *,
    k: int = 10,
    by: str | None = None,
    model: str | Path | None = None,
    rerank: PairScorer | Path | str | None = None,
    depth: int = DEPTH,
) -> list[Found]:
    """The best passages for each text.

    Args:
        index: the folder.
        texts: queries.
        k: hits for each.
        by: ``bm25``, ``vectors`` or ``hybrid``; default: hybrid where the index has vectors.
        model: where the index's model lies now, if it was moved.
        rerank: an artefact that scores pairs of texts, and puts the first hits into a better order.
        depth: with ``rerank``: how many hits it reads.

    Raises:
        ArtefactError: the index is damaged, or the model is not its own.
        CapabilityError: the index has no vectors, or ``rerank`` scores no pairs.
        DataError: a text is empty.
        RecipeError: ``k``, ``by`` or ``depth`` is out of range.
    """
    opened = Index.open(index, model=None if model is None else str(model))
    hits = opened.search(texts, k, by=by, rerank=rerank, depth=depth)
    return [Found(text, tuple(found)) for text, found in zip(texts, hits, strict=True)]


def search_file(
    index: Path | str,
    queries: str,
    *,
    k: int = 10,
    by: str | None = None,
    model: str | Path | None = None,
    rerank: PairScorer | Path | str | None = None,
    depth: int = DEPTH,
    columns: Mapping[str, str] | None = None,
    encoding: str = "auto",
    reporter: Reporter | None = None,
) -> Searched | list[Found]:
    """Search for every query of a table; with a column ``relevant`` measure the search beside BM25 instead.

    Args:
        index: the folder.
        queries: a table with ``query``, and maybe ``relevant``: the id of a right document, a row for each.
        k: see ``search``; a measurement does not need it.
        by: see ``search``.
        model: see ``search``.
        rerank: see ``search``.
        depth: see ``search``.
        columns: ``query`` and ``relevant`` -> their names in the table.
        encoding: of text files.
        reporter: hears warnings.

    Raises:
        ArtefactError: the index is damaged, or the model is not its own.
        CapabilityError: the index has no vectors, or ``rerank`` scores no pairs.
        DataError: a column is missing, a query is empty, or a document is not in the index.
        RecipeError: ``k``, ``by`` or ``depth`` is out of range.
    """
    reporter = reporter or Silent()
    opened = Index.open(index, model=None if model is None else str(model))
    read = read_queries(opened, queries, columns=columns, encoding=_encoding(encoding), warn=reporter.warn)
    if read.relevant is not None:
        return measure(opened, read, data=queries, by=by, rerank=rerank, depth=depth)
    hits = opened.search(read.texts, k, by=by, rerank=rerank, depth=depth)
    return [Found(text, tuple(found)) for text, found in zip(read.texts, hits, strict=True)]


def show_index(folder: Path) -> dict[str, Any]:
    """A description of an index: documents, passages, model, files with sizes.

    Raises:
        ArtefactError: a file has changed since it was saved.
    """
    manifest = IndexManifest.read(folder)
    manifest.check_files(folder)
    return {
        "index": str(folder),
        "digest": manifest.digest,
        "documents": vars(manifest.documents),
        "passages": vars(manifest.passages),
        "model": vars(manifest.model) if manifest.model is not None else None,
        "approximate": manifest.approximate,
        "ways": list(Index(folder, manifest).ways),
        "versions": manifest.versions,
        "files": {name: (folder / name).stat().st_size for name in manifest.files},
    }


def _encoding(name: str) -> str:
    try:
        return text_encoding(name)
    except ValueError as error:
        raise RecipeError(f"encoding: {error}") from None
