"""The model of an index: an artefact of sentence embeddings, or a base whose states are pooled as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from dianji.artefact.manifest import NAME
from dianji.artefact.opened import Model
from dianji.bases.base import Base, BaseSource
from dianji.bases.folder import FolderBase
from dianji.bases.resolve import resolve
from dianji.engine.evaluation import Evaluator
from dianji.errors import CapabilityError
from dianji.registry import key_of, record_of
from dianji.reporting import Meter
from dianji.store.digest import digest_value
from dianji.tasks.base import Task
from dianji.tasks.embedder import TextEmbedder
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.tasks.truncation import truncation
from dianji.tasks.unknown import share_of_unknown

#: Texts that are encoded at a time.
AT_ONCE = 4096


@dataclass(frozen=True)
class Encoder:
    """Gives queries and passages vectors of length one, each side behind its own prompt."""

    #: As it was given: the name of a base, or the absolute path of a folder.
    spec: str
    name: str
    #: Over weights, processor and everything else that decides a vector.
    digest: str
    task: dict[str, Any]
    embedder: TextEmbedder

    @classmethod
    def open(cls, spec: str) -> Encoder:
        """Open an artefact, a registered base, a folder or a Hub id; weights are read when they are first needed.

        Raises:
            ArtefactError: the artefact is damaged.
            BaseError: there is no such base.
            CapabilityError: the artefact's task gives no vectors of texts.
        """
        source = resolve(spec, SentenceEmbedding.modality)
        if not isinstance(source, FolderBase):
            return cls._of(spec, source, SentenceEmbedding(), source.prepare(pa.table({})), source.card().name)
        known = str(source.path.absolute())
        if not (source.path / NAME).is_file():
            return cls._of(known, source, SentenceEmbedding(), source.prepare(pa.table({})), source.path.name)
        model = Model.open(source.path)
        return cls._of(known, source, model.task, model.base, f"{model.manifest.recipe}/{model.manifest.stage}")

    @classmethod
    def _of(cls, known: str, source: BaseSource, task: Task, base: Base, name: str) -> Encoder:
        record, embedder = record_of(task), task.embedder(base)
        if embedder is None:
            raise CapabilityError(
                f"{known}: a model of {key_of(task).name} gives no vectors of texts. Expected an artefact of "
                "sentence-embedding, or a base such as minilm."
            )
        sides = [record_of(side) for side in (embedder.query, embedder.passage)]
        return cls(known, name, digest_value({"model": source.digest(), "sides": sides}), record, embedder)

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self.embedder.base.card.width

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, width) float32 of length one."""
        return self._vectors(self.embedder.query, texts, None)[0]

    def passages(self, texts: Sequence[str], meter: Meter | None = None) -> tuple[np.ndarray, int]:
        """(texts, width) float32 of length one, and how many texts were longer than the model reads.

        Equal texts of one call get the same vector, to the bit.
        """
        distinct = list(dict.fromkeys(texts))
        place = {text: number for number, text in enumerate(distinct)}
        vectors, cut = self._vectors(self.embedder.passage, distinct, meter)
        return vectors[[place[text] for text in texts]], cut

    def unknown(self, texts: Sequence[str]) -> Mapping[str, Any] | None:
        """How many tokens of the passages the model's tokenizer does not know; None where it knows every text."""
        base = self.embedder.base
        examples = self.embedder.passage.encode(pa.table({"text": pa.array(texts, pa.string())}), base)
        return share_of_unknown(examples, base, len(texts))

    def _vectors(self, task: Task, texts: Sequence[str], meter: Meter | None) -> tuple[np.ndarray, int]:
        base = self.embedder.base
        examples = task.encode(pa.table({"text": pa.array(texts, pa.string())}), base)
        found = Evaluator(task, self._network, base, 0).outputs(examples, "predict", meter)["vector"]
        length = np.linalg.norm(found, axis=1, keepdims=True)
        unit = found / np.maximum(length, np.finfo(np.float32).tiny)
        return np.ascontiguousarray(unit, dtype=np.float32), truncation(examples).rows

    @cached_property
    def _network(self) -> nn.Module:
        """Loading refuses a backbone that lacks weights; a pooler, which is never read, may be absent."""
        network: nn.Module = self.embedder.query.model(self.embedder.base).model
        return network.eval()
