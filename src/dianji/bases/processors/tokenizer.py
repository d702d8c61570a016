"""Tokenizers of transformers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from transformers import AutoTokenizer

from dianji.bases.processor import damaged
from dianji.bases.quiet import quiet
from dianji.registry import component


@component("processor", "tokenizer")
@dataclass(frozen=True)
class Tokenizer:
    """Texts to numbers of tokens."""

    noun: ClassVar[str] = "tokenizer"
    modality: ClassVar[str] = "text"
    files: ClassVar[tuple[str, ...]] = (
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
        *("vocab.*", "merges.txt", "*.model", "*.spm", "*.tiktoken"),
    )
    required: ClassVar[tuple[str, ...]] = (
        *("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.spm", "*.tiktoken"),
    )

    def open(self, folder: Path) -> Any:
        """See ``Processor``."""
        try:
            with quiet():
                return _portable(AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True))
        except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
            raise damaged(folder, self, error) from error

    def save(self, processor: Any, folder: Path) -> None:
        """See ``Processor``."""
        processor.save_pretrained(folder)


def _portable(tokenizer: Any) -> Any:
    """Without the way in which it was opened: transformers would save that, and a resumed run would differ.

    The name of the processor that it is a part of, such as CLIP's, goes too: other libraries would look for the rest.
    Special tokens that a text spells out are text, unless the caller says otherwise. A tokenizer without a padding
    token, such as GPT-2's, pads with its last token, as Dianji does: other libraries refuse to pad without one, and
    masks hide it.
    """
    for name in ("is_local", "local_files_only", "processor_class"):
        tokenizer.init_kwargs.pop(name, None)
    tokenizer._processor_class = None
    tokenizer.split_special_tokens = True
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
