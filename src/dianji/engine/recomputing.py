"""Activation checkpointing: the backward pass computes layers again, and only their inputs are kept until then.

The same mathematics: each layer's random draws are repeated too (Chen et al., 2016, arXiv:1604.06174). Costs about a
third more time.
"""

from __future__ import annotations

from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from dianji.errors import CapabilityError


def require_support(architecture: str) -> None:
    """Refuse an architecture (transformers' ``model_type``) that does not support it; loads no weights.

    Raises:
        CapabilityError: with advice.
    """
    try:
        config: PretrainedConfig = AutoConfig.for_model(architecture)
        model = AutoModel._model_mapping[type(config)]
    except (KeyError, ValueError):
        return  # told when the model is there
    kinds = model if isinstance(model, tuple) else (model,)
    if not any(kind is not None and kind.supports_gradient_checkpointing for kind in kinds):
        raise _refusal(architecture)


def recompute_activations(model: nn.Module) -> None:
    """Have every layer of ``model`` computed again in the backward pass; only in training, and in place.

    Raises:
        CapabilityError: the model has no layers that could.
    """
    if not isinstance(model, PreTrainedModel):
        raise _refusal(type(model).__name__)
    # The newer name, where transformers has it: the older one warns.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    try:
        enable({"use_reentrant": False})
    except ValueError:
        raise _refusal(type(model).__name__) from None
    # Without reentrance nothing needs inputs that ask for a gradient, which would have frozen layers work for nothing.
    if hasattr(model, "_require_grads_hook"):
        model.disable_input_require_grads()  # type: ignore[no-untyped-call]  # transformers leaves it untyped


def _refusal(what: str) -> CapabilityError:
    return CapabilityError(
        f"train.gradient_checkpointing: {what} has no layers that can be computed again in the backward pass. "
        "Leave it out; to save memory, lower train.batch_size and raise train.accumulate."
    )
