"""One trunk under several heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from dianji.errors import CapabilityError
from dianji.tasks._wrapper import Wrapper


class JointModel(Wrapper):
    """The models of several tasks, which share the trunk of the first one while they are in here.

    ``release`` gives each model its own trunk back, with the weights that were learnt, so that each is saved as an
    ordinary model.
    """

    def __init__(self, models: Mapping[str, PreTrainedModel], *, uncertainty: bool = False) -> None:
        first = next(iter(models.values()))
        super().__init__(first.config)
        self.backbone = _trunk(first)
        self._own = {name: _trunk(model) for name, model in models.items()}
        for name, model in models.items():
            _require_same(self.backbone, self._own[name], name)
            setattr(model, model.base_model_prefix, self.backbone)
        self.parts = nn.ModuleDict(models)
        names = list(models) if uncertainty else []
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in names})

    def weighed(self, name: str, loss: Tensor) -> Tensor:
        """The loss of a part under its learnt variance: ``exp(-s) * loss + s / 2``; the loss itself without one."""
        if name not in self.log_variances:
            return loss
        logarithm: Tensor = self.log_variances[name]
        return torch.exp(-logarithm) * loss + logarithm / 2

    def release(self) -> dict[str, PreTrainedModel]:
        """The parts' models, each with a trunk of its own again. The joint model cannot be used afterwards."""
        learnt = self.backbone.state_dict()
        found: dict[str, PreTrainedModel] = {}
        for name, module in self.parts.items():
            own = self._own[name]
            if own is not self.backbone:
                own.load_state_dict({key: learnt[key] for key in own.state_dict() if key in learnt}, strict=False)
            model = cast(PreTrainedModel, module)
            setattr(model, model.base_model_prefix, own)
            found[name] = model
        return found

    def forward(self, *_: Tensor) -> None:
        """Refused: a batch of one part goes to that part."""
        raise CapabilityError("a joint model has no forward pass of its own; its parts have.")


def _trunk(model: PreTrainedModel) -> PreTrainedModel:
    found = getattr(model, model.base_model_prefix, None)
    if not isinstance(found, PreTrainedModel):
        raise CapabilityError(f"{type(model).__name__} does not tell its backbone from its head. Choose another base.")
    return found


def _require_same(shared: PreTrainedModel, own: PreTrainedModel, name: str) -> None:
    """The trunks must be of one class and hold the same weights, but for an unread pooler."""
    if type(shared) is not type(own):
        raise CapabilityError(
            f"part '{name}' needs a {type(own).__name__}, and the parts before it share a {type(shared).__name__}. "
            "Parts of a stage share one trunk: choose tasks of one kind of model, or train them in stages."
        )
    theirs = {key: tensor.shape for key, tensor in shared.state_dict().items()}
    for key, tensor in own.state_dict().items():
        if key in theirs and theirs[key] != tensor.shape:
            raise CapabilityError(
                f"part '{name}': {key} has shape {tuple(tensor.shape)}, and the parts before it share one of shape "
                f"{tuple(theirs[key])}. Parts of a stage share one trunk."
            )
