"""A base: a backbone with its processor and its card; where every stage starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
from transformers import PretrainedConfig, PreTrainedModel

from dianji.errors import ArtefactError

#: ``text``, ``image``, or any other that bases offer and tasks ask for.
Modality = str
Pooling = Literal["mean", "first", "native"]


@dataclass(frozen=True)
class Card:
    """What is known of a base without loading its weights."""

    name: str
    modality: Modality
    architecture: str  # transformers' model_type
    width: int  # of the hidden states
    pretrained: bool
    pooling: Pooling = "native"
    licence: str = "unknown"
    languages: tuple[str, ...] = ()
    source: str = ""
    #: The registered processor of its folder.
    processor: str = ""
    #: Further modalities that it offers.
    modalities: tuple[str, ...] = ()
    #: Labels of the classifier the base already carries, by class number.
    labels: tuple[str, ...] = ()
    #: What the base was trained to read before a text: name -> prompt; the one named ``query`` is the default.
    prompts: tuple[tuple[str, str], ...] = ()

    def offers(self, modality: Modality) -> bool:
        """Whether a task on this modality can start from the base."""
        return modality == self.modality or modality in self.modalities


@dataclass(frozen=True)
class Base:
    """A base that is ready to be given a head.

    ``processor`` is a transformers tokenizer or image processor; ``folder`` holds the weights, None for a new base.
    """

    card: Card
    config: PretrainedConfig
    processor: Any
    folder: Path | None = None
    #: Parameter names that the last ``load`` had to draw anew.
    new_weights: list[str] = field(default_factory=list, compare=False)

    def load(self, auto: Any, **overrides: Any) -> PreTrainedModel:
        """The model that the Auto class ``auto`` makes of this base, in fp32 on the CPU, in evaluation mode.

        ``overrides`` go into the configuration. Weights that the folder lacks (a new head) are drawn from torch's
        global generator and named in ``new_weights``. Never runs code from the folder, never reads a pickle.

        Raises:
            BaseError: the weights are damaged or do not fit the configuration.
        """
        from dianji.bases.loading import load  # the work is long; the contract stays readable

        return load(self, auto, overrides)

    def save_processor(self, folder: Path) -> None:
        """Write the processor beside the weights."""
        from dianji.bases.processor import processor, processor_for

        processor(self.card.processor or processor_for(self.card.modality)).save(self.processor, folder)

    def require_complete(self) -> None:
        """Refuse a model some of whose weights were drawn anew although it was to be opened as it was saved.

        Raises:
            ArtefactError: names the weights.
        """
        if self.new_weights:
            raise ArtefactError(
                f"{self.folder}: {len(self.new_weights)} weights are missing, among them "
                f"{', '.join(self.new_weights[:3])}. "
                "The folder is incomplete: restore it from its source, or run its recipe again."
            )


class BaseSource(Protocol):
    """Something a recipe can start from: a registered base, a folder, a Hub id, a new architecture."""

    def card(self) -> Card:
        """Cheap: reads no weights.

        Raises:
            BaseError: unknown, unreadable, pickled weights only, or asks for remote code.
        """
        ...

    def digest(self) -> str:
        """Over all bytes that matter, or over the arguments of a new base."""
        ...

    def prepare(self, table: pa.Table) -> Base:
        """The base, ready. A new base fits its tokenizer or image statistics to ``table``, the training split."""
        ...
