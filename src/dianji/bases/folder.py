"""A base in a folder: a Hugging Face model folder, among them every artefact of Dianji."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dianji.bases.base import Base, Card, Modality
from dianji.bases.cards import part_config, read_card
from dianji.bases.digests import folder_digest
from dianji.bases.processor import processor, processor_for


@dataclass(frozen=True)
class FolderBase:
    """Opens the folder with transformers; no network, no code from the folder, no pickles.

    With ``modality``, the part of the model that reads it is the base, such as the text tower of CLIP.
    """

    path: Path
    modality: Modality = ""

    def card(self) -> Card:
        """From config.json, the README and the sentence-transformers chain."""
        return read_card(self.path, self.modality)

    def digest(self) -> str:
        """Over configuration, weights and processor, not over the folder's name."""
        return folder_digest(self.path)

    def prepare(self, table: pa.Table) -> Base:
        """The base as it was saved; ``table`` teaches it nothing."""
        return open_folder(self.path, self.card())


def open_folder(folder: Path, card: Card) -> Base:
    """A base from a folder that was checked when ``card`` was read.

    Raises:
        BaseError: the tokenizer or image processor is missing or damaged.
    """
    opened = processor(card.processor or processor_for(card.modality)).open(folder)
    return Base(card=card, config=part_config(folder, card.modality), processor=opened, folder=folder)
