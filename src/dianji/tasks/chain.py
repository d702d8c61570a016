"""Sentence-transformers module chains: how a text model's folder says that its tokens are pooled, and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from dianji.bases.base import Base
from dianji.tasks import _tokens

Pooled = Literal["mean", "first"]

POOLING, DENSE = "1_Pooling", "2_Dense"
_CHAIN = "modules.json"
#: The oldest sentence-transformers that opens what is written here, so that none asks to be updated.
_OLDEST = "5.1.0"


def keep_pooling(folder: Path, base: Base) -> None:
    """Let a saved text model say how its base was pooled, unless it says so already.

    Without this a base that goes through a stage of language modelling would be pooled in another way afterwards.
    """
    pooling = base.card.pooling
    if base.card.modality != "text" or pooling == "native" or (folder / _CHAIN).exists():
        return
    write_chain(folder, pooling, base.card.width, _tokens.longest(base), head=False)


def write_chain(folder: Path, pooling: Pooled, width: int, length: int, *, head: bool) -> None:
    """Transformer and pooling, then a dense layer if there is a ``head``; versions 5 and 6 know these spellings.

    Args:
        folder: of the saved backbone.
        pooling: over the real tokens.
        width: of the hidden states.
        length: tokens that are read of a text.
        head: whether ``2_Dense`` is part of the chain; the caller writes it.
    """
    modules = [("", "Transformer"), (POOLING, "Pooling"), (DENSE, "Dense")][: 3 if head else 2]
    write(
        folder / _CHAIN,
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(modules)
        ],
    )
    write(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    write(
        folder / "config_sentence_transformers.json",
        {"__version__": {"sentence_transformers": _OLDEST}, "prompts": {}, "default_prompt_name": None},
    )
    write(
        folder / POOLING / "config.json",
        {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": pooling == "first",
            "pooling_mode_mean_tokens": pooling == "mean",
        },
    )


def write(file: Path, value: object) -> None:
    """JSON, in a folder that is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
