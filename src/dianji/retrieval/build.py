"""Makes an index: cuts documents, counts terms, encodes passages, and writes the folder once all of it is proved.

Vectors are written block by block under the store's cache, so that a process that was killed goes on with the block it
was at. A block is encoded by itself: a resumed index is equal to the byte to one that was made at once, but for times.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dianji.artefact.manifest import NAME, versions
from dianji.data.unknown import warnings_of_unknown
from dianji.errors import StoreError
from dianji.reporting import Reporter
from dianji.retrieval import opened
from dianji.retrieval.approximate import Lists, Measured
from dianji.retrieval.bm25 import BM25
from dianji.retrieval.documents import Documents
from dianji.retrieval.encoder import AT_ONCE, Encoder
from dianji.retrieval.manifest import DocumentsRecord, IndexManifest, ModelRecord, PassagesRecord, is_index
from dianji.retrieval.opened import Index
from dianji.retrieval.passages import Cut, Passages
from dianji.retrieval.probe import Probe, drawn, reproduce_elsewhere
from dianji.retrieval.terms import unit_starts
from dianji.retrieval.vectors import nearest, write_vectors
from dianji.store.atomic import alone, new_folder, sweep
from dianji.store.digest import digest_file, digest_value
from dianji.store.steps import Store

Engine = Literal["exact", "faiss"]

#: Units of a passage of an index without a model.
_WORDS = 256
#: Documents whose tokens are counted at a time.
_DOCUMENTS = 256
#: Queries with which approximate search is measured, and the recall that it is to reach.
_MEASURED, RECALL = 256, 0.95
#: Passages that are searched for tokens that the model does not know.
_READ = 512
#: Exact queries of which the time is taken.
_TIMED = 32


@dataclass(frozen=True)
class Settings:
    """How an index is made.

    Args:
        length: the most units of a passage; None: what the model reads, or 256 words.
        overlap: the most units that a passage repeats; None: an eighth of its length.
        engine: how vectors are searched.
    """

    length: int | None = None
    overlap: int | None = None
    engine: Engine = "exact"

    def cut(self, encoder: Encoder | None) -> Cut:
        """The lengths with defaults filled in.

        Raises:
            RecipeError: they contradict each other.
        """
        most = self.length if self.length is not None else _WORDS if encoder is None else encoder.embedder.length
        return Cut(most, most // 8 if self.overlap is None else self.overlap)


@dataclass(frozen=True)
class Made:
    """An index that was made, or found to be there already."""

    index: Index
    reused: bool


def build(
    documents: Documents,
    target: Path,
    encoder: Encoder | None,
    settings: Settings,
    store: Store,
    reporter: Reporter,
    *,
    path: str,
    force: bool = False,
) -> Made:
    """Make the index at ``target``; one that is there already, of the same documents, model and settings, is kept.

    Raises:
        ArtefactError: a fresh process does not reproduce the index.
        CapabilityError: FAISS is missing, or there are too few passages for it.
        StoreError: something else is at ``target``, or the disk is full.
    """
    cut = settings.cut(encoder)
    digest = digest_value(
        {
            "format": 1,
            "documents": documents.digest,
            "model": encoder.digest if encoder else None,
            "cut": vars(cut),
            "engine": settings.engine,
        }
    )
    work = store.home / "cache" / f"index-{digest_value([digest, str(target.absolute())])}"
    with alone(work):
        sweep(target)
        if _is_made(target, digest, force=force):
            return Made(Index.open(target, encoder=encoder), reused=True)
        maker = _Maker(documents, encoder, cut, settings.engine, reporter)
        with new_folder(target) as folder:
            maker.write(folder, work, digest, path)
            reproduce_elsewhere(folder)
        shutil.rmtree(work, ignore_errors=True)
    facts = {"index": digest, "documents": documents.digest, "artefact": digest_file(target / NAME)}
    store.ledger.append("indexed", **facts, **({"model": encoder.digest} if encoder else {}))
    return Made(Index.open(target, encoder=encoder, check_files=False), reused=False)


def _is_made(target: Path, digest: str, *, force: bool) -> bool:
    """Whether the index is there already.

    Raises:
        StoreError: something else is, and may not be replaced.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    if is_index(target) and not force:
        found = IndexManifest.read(target)
        if found.digest == digest:
            found.check_files(target)
            return True
    if force and is_index(target):
        return False
    what = "another index" if is_index(target) else "something that is no index"
    advice = "Name another folder" + (", or replace it with --force." if is_index(target) else ".")
    raise StoreError(f"{target}: {what} is there already. {advice}")


@dataclass(frozen=True)
class _Maker:
    documents: Documents
    encoder: Encoder | None
    cut: Cut
    engine: Engine
    reporter: Reporter

    def write(self, folder: Path, work: Path, digest: str, path: str) -> None:
        """Everything, ``dianji.json`` last."""
        passages = self._passages()
        self.documents.write(folder / opened.DOCUMENTS)
        passages.write(folder / opened.PASSAGES)
        with self.reporter.work("counting terms", len(passages), "passages") as meter:
            BM25.fit(self._texts(passages), meter).write(folder)
        if self.encoder is not None:
            self._write_vectors(folder, work, passages)
        unit = "word" if self.encoder is None else "token"
        manifest = IndexManifest(
            digest,
            DocumentsRecord(self.documents.digest, len(self.documents), path),
            PassagesRecord(len(passages), self.cut.length, self.cut.overlap, unit),
            _model_record(self.encoder),
            None,
            versions(),
        )
        index = Index(folder, manifest, _given=self.encoder)
        if self.engine == "faiss":
            manifest = replace(manifest, approximate=self._write_lists(index).to_json())
            index = Index(folder, manifest, _given=self.encoder)
        Probe.draw(index).write(folder)
        manifest.write(folder)

    def _passages(self) -> Passages:
        cuts: list[list[tuple[int, int]]] = []
        with self.reporter.work("cutting", len(self.documents), "documents") as meter:
            for some in _blocks(self.documents, _DOCUMENTS):
                starts = self._starts(some)
                cuts += [self.cut.passages(text, of) for text, of in zip(some, starts, strict=True)]
                meter.advance(len(some))
        return Passages.of(cuts)

    def _starts(self, texts: Sequence[str]) -> list[np.ndarray]:
        if self.encoder is None:
            return [unit_starts(text) for text in texts]
        return self.encoder.embedder.token_starts(texts)

    def _texts(self, passages: Passages) -> Iterator[str]:
        places = zip(passages.document.tolist(), passages.start.tolist(), passages.stop.tolist(), strict=True)
        held, text = -1, ""
        for document, start, stop in places:
            if document != held:
                held, text = document, self.documents.text(document)
            yield text[start:stop]

    def _write_vectors(self, folder: Path, work: Path, passages: Passages) -> None:
        encoder = self.encoder
        if encoder is None:
            return
        work.mkdir(parents=True, exist_ok=True)
        self._warn_of_unknown(encoder, passages)
        cut = 0
        files: list[Path] = []
        texts = _blocks(self._texts(passages), AT_ONCE)
        with self.reporter.work("encoding", len(passages), "passages") as meter:
            for number, some in enumerate(texts):
                file = work / f"block-{number:06d}.safetensors"
                files.append(file)
                known = _known(file, (len(some), encoder.width))
                if known is not None:
                    cut += known
                    meter.advance(len(some))
                    continue
                vectors, shortened = encoder.passages(some, meter)
                meter.advance(len(some) - len(set(some)))  # equal texts are encoded once
                cut += shortened
                _save(file, vectors, shortened)
        if cut:
            told = f"{cut:,} of {len(passages):,} passages are longer than the model reads, and their ends are not in"
            self.reporter.warn(f"{told} their vectors. Choose a shorter length.")
        blocks = (load_file(file)["vectors"] for file in files)
        write_vectors(folder / opened.VECTORS, encoder.digest, blocks, (len(passages), encoder.width))

    def _warn_of_unknown(self, encoder: Encoder, passages: Passages) -> None:
        """Say so where the model cannot read the passages, by some that are spread evenly."""
        every = max(1, len(passages) // _READ)
        some = [text for number, text in enumerate(self._texts(passages)) if number % every == 0]
        found = encoder.unknown(some)
        for warning in warnings_of_unknown({} if found is None else {"passages": found}):
            self.reporter.warn(warning)

    def _write_lists(self, index: Index) -> Measured:
        """Divide the vectors into lists, and choose how many of them a query searches."""
        lists = Lists.fit(index.vectors)
        queries = index.encoder.queries(drawn(index, _MEASURED))
        right = nearest(queries, index.vectors, 10).passages
        recall = 0.0
        while True:
            found = lists.nearest(queries, 10).passages
            hits = [len(set(row) & set(of)) for row, of in zip(found.tolist(), right.tolist(), strict=True)]
            recall = float(np.mean(hits)) / 10
            if recall >= RECALL or lists.probes >= lists.count:
                break
            lists.probes = min(lists.count, lists.probes * 2)
        lists.write(index.folder / opened.LISTS)
        timed = queries[:_TIMED]
        exact = _per_second(lambda query: nearest(query, index.vectors, 10), timed)
        quick = _per_second(lambda query: lists.nearest(query, 10), timed)
        return Measured(lists.count, lists.probes, recall, len(queries), exact, quick)


def _per_second(search: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    """Queries per second, asked one by one."""
    search(queries[:1])
    start = time.perf_counter()
    for row in range(len(queries)):
        search(queries[row : row + 1])
    return round(len(queries) / (time.perf_counter() - start), 1)


def _model_record(encoder: Encoder | None) -> ModelRecord | None:
    if encoder is None:
        return None
    return ModelRecord(encoder.spec, encoder.name, encoder.digest, encoder.task, encoder.width)


def _blocks(texts: Iterator[str] | Documents, size: int) -> Iterator[list[str]]:
    held: list[str] = []
    for text in texts:
        held.append(text)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def _known(file: Path, shape: tuple[int, int]) -> int | None:
    """How many texts of a block that was encoded before were cut; None where it has to be encoded."""
    try:
        held = load_file(file)
        return int(held["cut"][0]) if held["vectors"].shape == shape else None
    except (OSError, SafetensorError, KeyError, IndexError):
        return None


def _save(file: Path, vectors: np.ndarray, cut: int) -> None:
    """A block, whole or not at all."""
    temporary = file.with_suffix(".new")
    try:
        save_file({"vectors": vectors, "cut": np.array([cut], dtype=np.int64)}, temporary)
        temporary.replace(file)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{file}: cannot be written ({error}). Free some space, or set DIANJI_HOME to a folder on another disk."
        ) from error
