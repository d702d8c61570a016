"""Sentence-transformers module chains: how a text model's folder says that its tokens are pooled, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from dianji.bases.base import Base
from dianji.errors import BaseError
from dianji.tasks import _tokens

Pooled = Literal["mean", "first"]

POOLING: Final = "1_Pooling"
DENSE: Final = "2_Dense"
NORMALIZE: Final = "2_Normalize"
#: Beside a dense layer that is a classifier's head: the names of its outputs.
LABELS = "labels.json"
#: The prompt of what is looked for, and of what is looked through; other names are those of sentence-transformers too.
QUERY, DOCUMENT = "query", "document"
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
    write_chain(folder, Chain(pooling, base.card.width, _tokens.longest(base), prompts=dict(base.card.prompts)))


@dataclass(frozen=True)
class Chain:
    """A transformer, pooling over the real tokens, and at most one module more."""

    pooling: Pooled
    width: int  # of the hidden states
    length: int  # tokens that are read of a text
    #: Folder of the third module; the caller writes the files of a dense layer.
    last: Literal["", "2_Dense", "2_Normalize"] = ""
    #: Name -> what is put before a text.
    prompts: Mapping[str, str] = field(default_factory=dict)

    def modules(self) -> list[tuple[str, str]]:
        """(folder, class) of each module."""
        last = [(self.last, self.last.partition("_")[2])] if self.last else []
        return [("", "Transformer"), (POOLING, "Pooling"), *last]


def write_chain(folder: Path, chain: Chain) -> None:
    """Describe a saved backbone as a chain; sentence-transformers 5 and 6 know these spellings."""
    write(
        folder / _CHAIN,
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(chain.modules())
        ],
    )
    write(folder / "sentence_bert_config.json", {"max_seq_length": chain.length, "do_lower_case": False})
    write(
        folder / "config_sentence_transformers.json",
        {
            "__version__": {"sentence_transformers": _OLDEST},
            "prompts": dict(chain.prompts),
            "default_prompt_name": QUERY if chain.prompts.get(QUERY) else None,
        },
    )
    write(
        folder / POOLING / "config.json",
        {
            "word_embedding_dimension": chain.width,
            "pooling_mode_cls_token": chain.pooling == "first",
            "pooling_mode_mean_tokens": chain.pooling == "mean",
        },
    )
    if chain.last == NORMALIZE:  # a module without settings still needs its folder
        write(folder / NORMALIZE / "config.json", {})


def read_modules(file: Path) -> list[tuple[str, str]]:
    """(folder, last part of the class name) of each module in ``modules.json``.

    Raises:
        BaseError: the file is damaged.
    """
    try:
        modules = json.loads(file.read_text("utf-8"))
        return [(str(module["path"]), str(module["type"]).rpartition(".")[2]) for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseError(
            f"{file}: not a list of modules as sentence-transformers writes it ({error}). Copy the file again."
        ) from error


def write(file: Path, value: object) -> None:
    """JSON, in a folder that is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
