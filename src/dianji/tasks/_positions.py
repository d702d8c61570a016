"""Logits of a language model at some positions only: the output layer is most of the work, most positions need none."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from dianji.tasks.base import Batch


def logits_at(model: nn.Module, inputs: Batch, wanted: Tensor) -> Tensor:
    """(found, vocabulary) fp32 logits at the true places of ``wanted`` (batch, time), row by row.

    While ``model`` runs, a hook keeps only those places of the trunk's hidden states, so that the head sees no others.
    Heads of language models work on each position by itself, so the logits are the same. Where the trunk cannot be
    told, or the model is compiled and would not see the hook, all logits are computed and the others thrown away.
    """
    trunk = _trunk(model)
    if trunk is None:
        return _all(model, inputs)[wanted].float()
    narrowed = False

    def narrow(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        nonlocal narrowed
        ours = inputs["input_ids"]
        if not any(value is ours for value in (*args, *kwargs.values())):
            return output  # another thread's call of the same model
        hidden = output[0]
        if hidden.shape[:2] != wanted.shape:
            return output
        narrowed = True
        return _replace_first(output, hidden[wanted].unsqueeze(0))

    handle = trunk.register_forward_hook(narrow, with_kwargs=True)
    try:
        found = _all(model, inputs)
    finally:
        handle.remove()
    return (found[0] if narrowed else found[wanted]).float()


def _all(model: nn.Module, inputs: Batch) -> Tensor:
    found: Tensor = model(**inputs).logits
    return found


def _trunk(model: nn.Module) -> nn.Module | None:
    """The trunk of the transformers model inside whatever wraps it (data parallelism, peft)."""
    for module in model.modules():
        if _is_compiled(module):
            return None
        if isinstance(module, PreTrainedModel):
            trunk = module.base_model
            return None if trunk is module or _is_compiled(trunk) else trunk
    return None


def _is_compiled(module: nn.Module) -> bool:
    return "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None


def _replace_first(output: Any, value: Tensor) -> Any:
    if isinstance(output, ModelOutput):
        output[next(iter(output.keys()))] = value
        return output
    return (value, *output[1:])
