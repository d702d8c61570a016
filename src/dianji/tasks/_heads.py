"""Heads: which weights they are, and how an architecture's own classifier gets the right labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from dianji.bases.base import Base
from dianji.bases.loading import name_trunk
from dianji.errors import CapabilityError
from dianji.tasks.base import TaskModel


def no_labels() -> dict[str, Any]:
    """Configuration entries of a model that is no classifier, whatever its base was."""
    return {"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}, "problem_type": None}


def with_head(model: PreTrainedModel) -> TaskModel:
    """The model with its head told apart from its trunk.

    Raises:
        CapabilityError: the architecture does not say what its trunk is.
    """
    return TaskModel(model, head_of(model))


def head_of(model: PreTrainedModel) -> tuple[str, ...]:
    """Prefixes of the parameters outside the trunk, as short as can be.

    An output layer tied to the input embedding is the trunk's: only what surrounds it is head.

    Raises:
        CapabilityError: the architecture does not say what its trunk is.
    """
    trunk = model.base_model
    if trunk is model:
        raise CapabilityError(
            f"{type(model).__name__} does not tell its backbone from its head (no '{model.base_model_prefix}'). "
            "Choose another base."
        )
    return tuple(_outside(model, {id(parameter) for parameter in trunk.parameters()}))


def own_classifier(base: Base, auto: Any, names: dict[str, Any]) -> TaskModel:
    """The architecture's own classifier over ``label_names``; a head for other labels is drawn anew.

    Raises:
        BaseError: see ``Base.load``.
        CapabilityError: the architecture has no classifier.
    """
    model = base.load(auto, **names)
    made = with_head(model)
    kept = base.card.labels == tuple(names["id2label"].values())
    if base.folder is None or kept or not _loaded_head(made, base):
        return made
    return _fresh_head(model, auto, base)


def _outside(module: nn.Module, trunk: set[int], prefix: str = "") -> Iterator[str]:
    for name, parameter in module.named_parameters(recurse=False):
        if id(parameter) not in trunk:
            yield prefix + name
    for name, child in module.named_children():
        inside = [id(parameter) in trunk for parameter in child.parameters()]
        if inside and not any(inside):
            yield prefix + name
        elif not all(inside):
            yield from _outside(child, trunk, f"{prefix}{name}.")


def _loaded_head(made: TaskModel, base: Base) -> bool:
    names = {name for name, _ in made.model.named_parameters() if made.is_head(name)}
    return not names <= set(base.new_weights)


def _fresh_head(model: PreTrainedModel, auto: Any, base: Base) -> TaskModel:
    """The same trunk under a head that has seen no other labels, although the folder has one of the same shape."""
    fresh: PreTrainedModel = auto.from_config(model.config, dtype=torch.float32)
    name_trunk(fresh)
    fresh.base_model.load_state_dict(model.base_model.state_dict())
    fresh.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    made = with_head(fresh)
    head = {name for name, _ in fresh.named_parameters() if made.is_head(name)}
    base.new_weights.extend(sorted(head - set(base.new_weights)))
    return made
