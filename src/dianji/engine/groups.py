"""Parameter groups: the head learns at its own rate; biases, norms and embeddings do not decay."""

from __future__ import annotations

from typing import Any

from torch import nn

from dianji.tasks.base import TaskModel


def parameter_groups(model: TaskModel, rate: float, head_rate: float, decay: float) -> list[dict[str, Any]]:
    """At most four groups for an optimizer, empty ones left out; each has ``base_lr`` for the schedule to scale.

    Frozen parameters are in none.
    """
    still = _undecayed(model.model)
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for name, parameter in model.model.named_parameters():
        if not parameter.requires_grad:
            continue
        head, decays = model.is_head(name), name not in still
        lr = head_rate if head else rate
        fresh = {"params": [], "lr": lr, "base_lr": lr, "weight_decay": decay if decays else 0.0}
        groups.setdefault((head, decays), fresh)["params"].append(parameter)
    return [groups[key] for key in sorted(groups)]


def _undecayed(model: nn.Module) -> set[str]:
    """Names of biases, of all parameters of normalisations (they have at most one dimension), and of embeddings."""
    names = {name for name, parameter in model.named_parameters() if parameter.ndim <= 1}
    for prefix, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            names |= {f"{prefix}.{name}" if prefix else name for name, _ in module.named_parameters(recurse=False)}
    return names
