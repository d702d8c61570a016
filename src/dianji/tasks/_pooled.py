"""A linear classifier over a pooled backbone, saved as a sentence-transformers module chain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from dianji.bases.base import Base
from dianji.bases.checks import read_json
from dianji.errors import BaseError
from dianji.tasks import chain
from dianji.tasks._heads import order_of
from dianji.tasks._wrapper import Wrapper
from dianji.tasks.chain import Pooled

_DROPOUT = 0.1  # where the architecture's configuration names none


class PooledClassifier(Wrapper):
    """Backbone, pooling over the real tokens, dropout, one linear layer.

    ``save_pretrained`` writes the backbone under its architecture's own names, as ``AutoModel`` opens it, and the head
    as a module chain, so that ``SentenceTransformer(folder).encode(texts)`` gives the logits.
    """

    def __init__(
        self, backbone: PreTrainedModel, width: int, pooling: Pooled, length: int, labels: tuple[str, ...]
    ) -> None:
        super().__init__(backbone.config)
        self.backbone = backbone
        if isinstance(pooler := getattr(backbone, "pooler", None), nn.Module):
            backbone.pooler = Unread(pooler)  # BERT's, of the first token
        self.pooling = pooling
        self.length = length
        self.labels = labels
        self.dropout = nn.Dropout(_dropout(backbone.config))
        self.classifier = nn.Linear(width, len(labels))
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> SequenceClassifierOutput:
        """Logits (batch, labels) of (batch, time) tokens; further inputs go to the backbone."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **inputs)[0]
        pooled = mean(hidden, attention_mask) if self.pooling == "mean" else first(hidden, attention_mask)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(pooled)))

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        """Write the folder; arguments are those of transformers and go to the backbone."""
        self.backbone.save_pretrained(save_directory, *args, **options)
        _write_head(self, Path(save_directory))


class Unread(nn.Module):
    """A part whose answer nobody reads: nothing is computed, and its weights are kept and saved under their names."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        for name, child in part.named_children():
            self.add_module(name, child)
        for name, parameter in part.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def forward(self, *_: Tensor) -> None:
        """Nothing."""


def mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """(batch, time, width) and (batch, time) 0/1 -> (batch, width) in fp32: the mean over the real tokens."""
    weight = mask.unsqueeze(-1).float()
    return (hidden.float() * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1e-9)


def first(hidden: Tensor, mask: Tensor) -> Tensor:
    """(batch, time, width) and (batch, time) 0/1 -> (batch, width) in fp32: the first real token."""
    start = mask.argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), start].float()


def restore_head(model: PooledClassifier, base: Base) -> bool:
    """Give the model the head that the base's folder holds for its labels, in its order; False where there is none.

    Raises:
        BaseError: there is one, but it is damaged.
    """
    order = None if base.folder is None else order_of(model.labels, _label_names(base.folder, base.config))
    if base.folder is None or order is None:
        return False
    file = base.folder / chain.DENSE / "model.safetensors"
    if not file.is_file():
        return False
    try:
        weights = load_file(file)
        own = {name.removeprefix("linear."): tensor[order] for name, tensor in weights.items()}
        model.classifier.load_state_dict(own)
    except (OSError, IndexError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise BaseError(
            f"{file}: expected a linear layer for {len(model.labels)} labels, but it cannot be read: {reason[:300]}. "
            "Restore the file from its source, or run the recipe again."
        ) from error
    return True


def _label_names(folder: Path, config: Any) -> tuple[str, ...]:
    """Beside the head; release 0.1.0 had them in the configuration."""
    file = folder / chain.DENSE / chain.LABELS
    if file.is_file():
        return tuple(map(str, read_json(file).get("labels", ())))
    names = config.id2label or {}
    return tuple(str(names[number]) for number in sorted(names))


def _dropout(config: Any) -> float:
    for name in ("classifier_dropout", "hidden_dropout_prob", "dropout"):
        if isinstance(value := getattr(config, name, None), float):
            return value
    return _DROPOUT


def _write_head(model: PooledClassifier, folder: Path) -> None:
    inside, outside = model.classifier.in_features, model.classifier.out_features
    chain.write_chain(folder, chain.Chain(model.pooling, inside, model.length, last=chain.DENSE))
    chain.write(
        folder / chain.DENSE / "config.json",
        {
            "in_features": inside,
            "out_features": outside,
            "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        },
    )
    chain.write(folder / chain.DENSE / chain.LABELS, {"labels": list(model.labels)})
    weights = {"linear.weight": model.classifier.weight, "linear.bias": model.classifier.bias}
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()},
        folder / chain.DENSE / "model.safetensors",
    )
