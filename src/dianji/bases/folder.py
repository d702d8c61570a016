"""A base in a folder: a Hugging Face model folder, among them every artefact of Dianji."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from transformers import AutoImageProcessor, AutoTokenizer

from dianji.bases.base import Base, Card
from dianji.bases.cards import open_config, read_card
from dianji.bases.digests import folder_digest
from dianji.bases.quiet import quiet
from dianji.errors import BaseError


@dataclass(frozen=True)
class FolderBase:
    """Opens the folder with transformers; no network, no code from the folder, no pickles."""

    path: Path

    def card(self) -> Card:
        """From config.json, the README and the sentence-transformers chain."""
        return read_card(self.path)

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
    return Base(card=card, config=open_config(folder), processor=_processor(folder, card), folder=folder)


def _processor(folder: Path, card: Card) -> Any:
    text = card.modality == "text"
    what, file = ("tokenizer", "tokenizer.json") if text else ("image processor", "preprocessor_config.json")
    try:
        with quiet():
            if text:
                return _portable(AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True))
            # Pillow even where torchvision is installed: the two scale differently, and what was measured is served.
            return AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]  # unannotated in transformers
                folder, trust_remote_code=False, local_files_only=True, backend="pil"
            )
    except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
        reason = " ".join(str(error).split())
        raise BaseError(
            f"base folder {folder}: its {what} cannot be opened ({reason[:300]}). Expected {file} as saved by "
            "transformers. Copy or download the file again."
        ) from error


def _portable(tokenizer: Any) -> Any:
    """Without what tells how it was opened: transformers would save that, so that a resumed run differed.

    Special tokens that a text spells out are text, unless the caller says otherwise.
    """
    for name in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.split_special_tokens = True
    return tokenizer
