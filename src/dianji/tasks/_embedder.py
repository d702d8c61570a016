"""A pooled backbone that gives one vector per text, saved as a sentence-transformers module chain."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from dianji.bases.base import Base
from dianji.errors import CapabilityError
from dianji.tasks import chain
from dianji.tasks._pooled import Unread, first, mean
from dianji.tasks._wrapper import Wrapper
from dianji.tasks.chain import Pooled

_MODULES = "modules.json"


@dataclass
class Vectors(ModelOutput):
    """``vectors`` (…, width), and ``pooled``: the same before they are normalised."""

    vectors: Tensor | None = None
    pooled: Tensor | None = None


@dataclass(frozen=True)
class Reading:
    """How a text becomes a vector, once the backbone has run."""

    pooling: Pooled
    width: int
    length: int  # tokens that are read of a text
    normalize: bool
    prompts: Mapping[str, str]


class Embedder(Wrapper):
    """Backbone, pooling over the real tokens, normalisation to length one.

    ``save_pretrained`` writes the backbone under its architecture's own names and the rest as a module chain, so that
    ``SentenceTransformer(folder).encode(texts)`` gives ``vectors``. A ``decoder``, which only training needs, is not
    saved.
    """

    def __init__(self, backbone: PreTrainedModel, reading: Reading, decoder: nn.Module | None = None) -> None:
        super().__init__(backbone.config)
        self.backbone = backbone
        if isinstance(pooler := getattr(backbone, "pooler", None), nn.Module):
            backbone.pooler = Unread(pooler)  # BERT's, of the first token
        self.reading = reading
        if decoder is not None:
            self.decoder = decoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> Vectors:
        """Vectors (…, width) in fp32 of (…, time) tokens; further inputs go to the backbone."""
        ids, mask = input_ids.flatten(0, -2), attention_mask.flatten(0, -2)
        hidden = self.backbone(input_ids=ids, attention_mask=mask, **inputs)[0]
        pooled = mean(hidden, mask) if self.reading.pooling == "mean" else first(hidden, mask)
        vectors = functional.normalize(pooled, dim=-1) if self.reading.normalize else pooled
        shape = (*input_ids.shape[:-1], pooled.shape[-1])
        return Vectors(vectors=vectors.reshape(shape), pooled=pooled.reshape(shape))

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        """Write the folder; arguments are those of transformers and go to the backbone."""
        self.backbone.save_pretrained(save_directory, *args, **options)
        reading = self.reading
        last: Literal["", "2_Normalize"] = chain.NORMALIZE if reading.normalize else ""
        chain.write_chain(
            Path(save_directory), chain.Chain(reading.pooling, reading.width, reading.length, last, reading.prompts)
        )


def require_known_chain(base: Base) -> None:
    """Refuse a folder whose vectors pass through modules that this model does not have.

    A dense layer for the labels of a classifier is a head, which is left out as other heads are.

    Raises:
        CapabilityError: names the module.
    """
    file = base.folder / _MODULES if base.folder is not None else None
    if file is None or not file.is_file():
        return
    for path, kind in chain.read_modules(file):
        head = kind == "Dense" and (file.parent / path / chain.LABELS).is_file()
        if kind in ("Transformer", "Pooling", "Normalize") or head:
            continue
        raise CapabilityError(
            f"base '{base.card.name}': its vectors pass through a module {kind} ({path or 'first'}), and "
            "sentence-embedding knows Transformer, Pooling and Normalize. Choose another base."
        )
