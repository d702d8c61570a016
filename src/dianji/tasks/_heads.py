"""Heads: which weights they are, and how an architecture's own classifier gets the right labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """The architecture's own classifier over ``names``; a head for other labels is drawn anew.

    A head for the same labels in another order, as pre-trained classifiers of entailment have it, is put into ours.

    Raises:
        BaseError: see ``Base.load``.
        CapabilityError: the architecture has no classifier.
    """
    model = base.load(auto, **names)
    made = with_head(model)
    order = order_of(tuple(names["id2label"].values()), base.card.labels)
    if base.folder is None or not _loaded_head(made, base) or (order is not None and _reordered(made, order)):
        return made
    return _fresh_head(model, auto, base)


def order_of(ours: Sequence[str], theirs: Sequence[str]) -> list[int] | None:
    """The place of each of our labels among theirs, whatever their case; None where they are not the same labels."""
    places = {label.casefold(): place for place, label in enumerate(theirs)}
    found = [places.get(label.casefold(), -1) for label in ours]
    return found if sorted(found) == list(range(len(theirs))) else None


def _reordered(made: TaskModel, order: list[int]) -> bool:
    """Put the outputs of the head into another order; False where its last layer cannot be told."""
    if order == sorted(order):
        return True
    last = [
        module
        for name, module in made.model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == len(order) and made.is_head(f"{name}.weight")
    ]
    if len(last) != 1:
        return False
    with torch.no_grad():
        for parameter in last[0].parameters():
            parameter.copy_(parameter[order].clone())
    return True


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
