"""A tagger whose classes depend on their neighbours: a linear-chain CRF over a backbone (Lafferty et al., 2001).

transformers has no such head, so the folder holds the backbone as ``AutoModel`` opens it, and the head in files of its
own, which Dianji opens.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import TokenClassifierOutput

from dianji.bases.base import Base
from dianji.errors import BaseError
from dianji.tasks._chains import Best, Chain, log_marginals, log_partition, path_score, viterbi
from dianji.tasks._tagset import TagSet
from dianji.tasks._wrapper import Wrapper

HEAD, HEAD_CONFIG = "tagger.safetensors", "tagger.json"
_DROPOUT = 0.1  # where the architecture's configuration names none
_PARTS = ("classifier", "crf")


class Crf(nn.Module):
    """Learnt scores of transitions, first and last tags; those that the scheme forbids score ``NEVER`` besides."""

    allowed_transitions: Tensor
    allowed_begin: Tensor
    allowed_end: Tensor

    def __init__(self, tags: TagSet) -> None:
        super().__init__()
        count = len(tags.names)
        self.transitions = nn.Parameter(torch.zeros(count, count))
        self.begin = nn.Parameter(torch.zeros(count))
        self.end = nn.Parameter(torch.zeros(count))
        for name, scores in zip(Chain._fields, tags.chain, strict=True):
            self.register_buffer(f"allowed_{name}", scores, persistent=False)

    def forward(self, emissions: Tensor, lengths: Tensor, begins: Tensor, ends: Tensor, path: Tensor) -> Tensor:
        """(rows,) negative log-likelihood of ``path`` (rows, time), in fp32; see ``chain``."""
        chain = self.chain(begins, ends)
        return log_partition(emissions, lengths, chain) - path_score(emissions, lengths, chain, path)

    def best(self, emissions: Tensor, lengths: Tensor, begins: Tensor, ends: Tensor) -> Best:
        """See ``viterbi``."""
        return viterbi(emissions, lengths, self.chain(begins, ends))

    def log_marginals(self, emissions: Tensor, lengths: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
        """(rows, time, tags)."""
        return log_marginals(emissions, lengths, self.chain(begins, ends))

    def chain(self, begins: Tensor, ends: Tensor) -> Chain:
        """Scores of rows; ``begins`` and ``ends`` (rows,): whether a row is the beginning, the end of its text."""
        begin = (self.begin + self.allowed_begin) * begins.unsqueeze(1)
        end = (self.end + self.allowed_end) * ends.unsqueeze(1)
        return Chain(self.transitions + self.allowed_transitions, begin, end)


class CrfTagger(Wrapper):
    """Backbone, dropout, a linear layer that gives emissions, and the CRF that reads them."""

    def __init__(self, backbone: PreTrainedModel, width: int, tags: TagSet) -> None:
        super().__init__(backbone.config)
        self.tags = tags
        self.backbone = backbone
        self.dropout = nn.Dropout(_dropout(backbone.config))
        self.classifier = nn.Linear(width, len(tags.names))
        self.crf = Crf(tags)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> TokenClassifierOutput:
        """Emissions (batch, time, tags) of (batch, time) tokens; further inputs go to the backbone."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **inputs)[0]
        return TokenClassifierOutput(logits=self.classifier(self.dropout(hidden)))

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        """Write the folder; arguments are those of transformers and go to the backbone."""
        folder = Path(save_directory)
        self.backbone.save_pretrained(folder, *args, **options)
        (folder / HEAD_CONFIG).write_text(json.dumps({"tags": self.tags.names}, indent=2) + "\n", encoding="utf-8")
        weights = {name: tensor for name, tensor in self.state_dict().items() if name.partition(".")[0] in _PARTS}
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, folder / HEAD)


def crf_of(model: nn.Module) -> Crf:
    """The CRF inside whatever wraps the tagger (data parallelism, peft)."""
    return next(module for module in model.modules() if isinstance(module, Crf))


def restore_head(model: CrfTagger, base: Base) -> bool:
    """Give the model the head that the base's folder holds for exactly these tags; False where there is none.

    Raises:
        BaseError: there is one, but it is damaged.
    """
    if base.folder is None or not (base.folder / HEAD_CONFIG).is_file():
        return False
    file = base.folder / HEAD
    try:
        saved = json.loads((base.folder / HEAD_CONFIG).read_text(encoding="utf-8"))
        if tuple(saved["tags"]) != model.tags.names:
            return False
        weights = load_file(file)
        for part in _PARTS:
            inside = {name.removeprefix(f"{part}."): of for name, of in weights.items() if name.startswith(f"{part}.")}
            model.get_submodule(part).load_state_dict(inside)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise BaseError(
            f"{file}: expected a tagger's head for {len(model.tags.names)} tags, but it cannot be read: "
            f"{reason[:300]}. Restore the file from its source, or run the recipe again."
        ) from error
    return True


def head_names(model: CrfTagger) -> list[str]:
    """The parameters of the head."""
    return [name for name, _ in model.named_parameters() if name.partition(".")[0] in _PARTS]


def _dropout(config: Any) -> float:
    for name in ("classifier_dropout", "hidden_dropout_prob", "dropout"):
        if isinstance(value := getattr(config, name, None), float):
            return value
    return _DROPOUT
