"""An opened index, ready to search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from dianji.errors import ArtefactError, CapabilityError, DataError, RecipeError, did_you_mean
from dianji.retrieval.approximate import Lists
from dianji.retrieval.bm25 import BM25
from dianji.retrieval.documents import Documents
from dianji.retrieval.encoder import Encoder
from dianji.retrieval.manifest import IndexManifest
from dianji.retrieval.passages import Passages
from dianji.retrieval.ranking import Hit, Ranking, fused
from dianji.retrieval.rerank import DEPTH, ArtefactScorer, PairScorer, reranked
from dianji.retrieval.vectors import nearest, read_vectors

By = Literal["bm25", "vectors", "hybrid"]
WAYS: tuple[By, ...] = get_args(By)

DOCUMENTS, PASSAGES, VECTORS, LISTS = "documents.arrow", "passages.safetensors", "vectors.safetensors", "vectors.faiss"
#: Hits of each ranking that enter a hybrid one.
_FUSED = 200


@dataclass(frozen=True)
class Index:
    """Documents, their passages, and what ranks these; files are read when they are first needed."""

    folder: Path
    manifest: IndexManifest
    #: Another place of the index's model, such as a copy; None: where it was when the index was made.
    model: str | None = None
    _given: Encoder | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        model: str | None = None,
        check_files: bool = True,
        encoder: Encoder | None = None,
    ) -> Index:
        """Open an index.

        Args:
            folder: of the index.
            model: where its model lies now, if not where it lay when the index was made.
            check_files: compare every file with its digest.
            encoder: the model, opened already.

        Raises:
            ArtefactError: not an index, a file has changed, or ``model`` is not the one whose vectors it holds.
            CapabilityError: a model is given for an index without vectors.
        """
        folder = Path(folder)
        manifest = IndexManifest.read(folder)
        if check_files:
            manifest.check_files(folder)
        index = cls(folder, manifest, model, encoder)
        if model is not None or encoder is not None:
            _ = index.encoder  # a wrong model is refused here, whatever is searched afterwards
        return index

    @property
    def ways(self) -> tuple[By, ...]:
        """In which ways it ranks; the last one is the default."""
        return WAYS if self.manifest.model is not None else ("bm25",)

    def search(
        self,
        texts: Sequence[str],
        k: int = 10,
        *,
        by: str | None = None,
        rerank: PairScorer | str | Path | None = None,
        depth: int = DEPTH,
    ) -> list[list[Hit]]:
        """The best passages for each text, the best first.

        Args:
            texts: queries.
            k: hits for each, fewer where fewer are found.
            by: ``bm25``, ``vectors`` or ``hybrid``; default: hybrid where there are vectors.
            rerank: an artefact (or another scorer) that puts the first hits into a better order.
            depth: with ``rerank``: how many hits it reads.

        Raises:
            ArtefactError: the model is not the one whose vectors the index holds.
            CapabilityError: the index has no vectors, or ``rerank`` scores no pairs.
            DataError: a text is empty.
            RecipeError: ``k``, ``by`` or ``depth`` is out of range.
        """
        ranking = self.rank(texts, k, by=by, rerank=rerank, depth=depth)
        return [self._hits(*ranking.found(row)) for row in range(len(texts))]

    def rank(
        self,
        texts: Sequence[str],
        k: int,
        *,
        by: str | None = None,
        rerank: PairScorer | str | Path | None = None,
        depth: int = DEPTH,
    ) -> Ranking:
        """The same as positions of passages; see ``search``."""
        way = self._way(by)
        self._check(texts, k)
        if rerank is None:
            return self._ranked(way, texts, k)
        if depth < k:
            raise RecipeError(f"depth: expected at least k = {k}, since only hits that are read again are kept.")
        scorer = ArtefactScorer.open(rerank) if isinstance(rerank, str | Path) else rerank
        first = self._ranked(way, texts, depth)
        read = [[self.passage(int(place)) for place in first.found(row)[0]] for row in range(len(texts))]
        return reranked(scorer, first, texts, read, k)

    def passage(self, number: int) -> str:
        """The text of a passage."""
        text = self.documents.text(int(self.passages.document[number]))
        return text[int(self.passages.start[number]) : int(self.passages.stop[number])]

    @cached_property
    def documents(self) -> Documents:
        """The documents, mapped into memory."""
        return Documents.read(self.folder / DOCUMENTS)

    @cached_property
    def passages(self) -> Passages:
        """The places of the passages."""
        return Passages.read(self.folder / PASSAGES)

    @cached_property
    def bm25(self) -> BM25:
        """Counted terms."""
        return BM25.read(self.folder)

    @cached_property
    def vectors(self) -> np.ndarray:
        """(passages, width) float32, mapped into memory."""
        self._way("vectors")
        return read_vectors(self.folder / VECTORS)

    @cached_property
    def lists(self) -> Lists | None:
        """FAISS's lists; None where the search is exact."""
        measured = self.manifest.approximate
        if measured is None:
            return None
        return Lists.read(self.folder / LISTS, self.vectors, int(measured["probes"]))

    @cached_property
    def encoder(self) -> Encoder:
        """The model.

        Raises:
            ArtefactError: it is not the one whose vectors the index holds.
            CapabilityError: the index has no vectors.
        """
        record = self.manifest.model
        if record is None:
            raise CapabilityError(f"{self.folder}: holds no vectors, so it is searched without a model. Leave it out.")
        encoder = self._given or Encoder.open(self.model or record.spec)
        if encoder.digest != record.digest:
            raise ArtefactError(
                f"{self.folder}: holds vectors of the model {record.name} ({record.digest[:12]}…), and "
                f"{encoder.spec} is another one ({encoder.digest[:12]}…). Vectors of two models cannot be compared: "
                "give the index's own model with --model, or make the index again."
            )
        return encoder

    def _ranked(self, way: By, texts: Sequence[str], k: int) -> Ranking:
        if way == "bm25":
            return self.bm25.rank(texts, k)
        vectors = self.encoder.queries(texts)
        if way == "vectors":
            return self.near(vectors, k)
        return fused([self.near(vectors, _FUSED), self.bm25.rank(texts, _FUSED)], k)

    def near(self, vectors: np.ndarray, k: int) -> Ranking:
        """The nearest passages of vectors of queries: exact, or by FAISS where the index was made so."""
        return nearest(vectors, self.vectors, k) if self.lists is None else self.lists.nearest(vectors, k)

    def _hits(self, passages: np.ndarray, scores: np.ndarray) -> list[Hit]:
        found = []
        for rank, (number, score) in enumerate(zip(passages.tolist(), scores.tolist(), strict=True), start=1):
            document = int(self.passages.document[number])
            place = int(self.passages.start[number]), int(self.passages.stop[number])
            source = self.documents.source(document)
            found.append(Hit(rank, score, self.documents.id(document), source, *place, self.passage(number)))
        return found

    def _way(self, by: str | None) -> By:
        if by is None:
            return self.ways[-1]
        found = next((way for way in WAYS if way == by), None)
        if found is None:
            raise RecipeError(f"--by: there is no ranking '{by}'. {did_you_mean(by, WAYS)}")
        if found not in self.ways:
            raise CapabilityError(
                f"{self.folder}: holds no vectors, so it ranks by bm25 alone. Make it with a model: dianji index "
                f"{self.manifest.documents.path} --model minilm --out INDEX"
            )
        return found

    def _check(self, texts: Sequence[str], k: int) -> None:
        if isinstance(texts, str):
            raise DataError("search takes a list of texts, found a single one. Write [text].")
        if k < 1:
            raise RecipeError(f"--k: expected at least 1, found {k}.")
        for number, text in enumerate(texts, start=1):
            if not text.strip():
                raise DataError(f"query {number}: the text is empty. Write one, or leave it out.")
