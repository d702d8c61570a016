"""Keep what is frozen from drifting: running statistics move in training mode even where no weight learns."""

from __future__ import annotations

from torch import nn


def hold_still(model: nn.Module) -> None:
    """Put frozen normalisations with running statistics into evaluation mode; call it after every ``model.train()``.

    A BatchNorm is frozen if none of its own weights learns; one without weights goes with the module around it.
    Without this, statistics of a frozen trunk would change with every forward pass, unseen by any optimiser. Dropout is
    left alone: in a frozen trunk it regularises what learns behind it.
    """
    _hold(model, frozen=False)


def _hold(module: nn.Module, *, frozen: bool) -> None:
    parameters = list(module.parameters())
    if parameters:
        frozen = not any(parameter.requires_grad for parameter in parameters)
    if frozen and getattr(module, "running_mean", None) is not None:
        module.train(False)
    for child in module.children():
        _hold(child, frozen=frozen)
