"""The layers of a model, found without knowing its architecture: which of them learn, which hold still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from dianji.errors import CapabilityError
from dianji.tasks.base import TaskModel


@dataclass(frozen=True)
class Stack:
    """The layers of a trunk, first to last. ``name`` is the path of their container, without a trailing dot."""

    name: str
    layers: list[nn.Module]


def find_stack(model: TaskModel) -> Stack:
    """The largest container of layers outside the head: ``encoder.layer`` of BERT, ``encoder.stages`` of ResNet.

    Only outermost lists count, so that a hierarchical model gives its stages; of several (encoder and decoder) the one
    with the most parameters is taken, the later one if equal.

    Raises:
        CapabilityError: the model has no such container.
    """
    for kind in (nn.ModuleList, nn.Sequential):
        found = [(name, module) for name, module in _outermost(model, kind) if any(True for _ in module.parameters())]
        if found:
            name, container = max(reversed(found), key=lambda item: sum(p.numel() for p in item[1].parameters()))
            return Stack(name, [layer for layer in container.children() if any(True for _ in layer.parameters())])
    raise CapabilityError(
        f"{type(model.model).__name__} has no stack of layers: a ModuleList or Sequential with weights outside the "
        f"head ({', '.join(model.head)}) was looked for. Use adapt: full or adapt: frozen."
    )


def after_stack(model: TaskModel, stack: Stack) -> set[str]:
    """Names of the parameters between the stack and the head: final norms, poolers. Embedding tables are left out."""
    names = [name for name, _ in model.model.named_parameters()]
    last = max(position for position, name in enumerate(names) if name.startswith(stack.name + "."))
    tables = embedding_parameters(model.model)
    return {name for name in names[last + 1 :] if not model.is_head(name) and name not in tables}


def embedding_parameters(model: nn.Module) -> set[str]:
    """Names of all weights of embedding tables."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if isinstance(module, nn.Embedding)
        for name, _ in module.named_parameters(recurse=False)
    }


def let_learn(model: TaskModel, learns: Callable[[str], bool]) -> None:
    """Set ``requires_grad`` on every parameter: true for the head and for the names that ``learns`` accepts."""
    for name, parameter in model.model.named_parameters():
        parameter.requires_grad_(model.is_head(name) or learns(name))


def hold_still(model: nn.Module) -> None:
    """Put what must neither move nor make noise into evaluation mode; call it after every ``model.train()``.

    Two things hold still. Frozen normalisations with running statistics, wherever they are: a BatchNorm is frozen if
    none of its own weights learns, one without weights goes with the module around it. Without this, statistics of a
    frozen trunk would change with every forward pass, unseen by any optimiser. And everything that stands before the
    first weight that learns, in the order in which the model lists its parts: it always says the same of an example,
    so that it need say it only once. Dropout right before the first weight that learns is that weight's own, and
    stays on.
    """
    if all(parameter.requires_grad for parameter in model.parameters()):
        return
    if any(getattr(module, "running_mean", None) is not None for module in model.modules()):
        _hold(model, frozen=False)
    _quieten(model)


def trunk_of(model: PreTrainedModel) -> PreTrainedModel:
    """What an Auto class of transformers would load: ``backbone`` of a task model of our own, else the model itself."""
    backbone = getattr(model, "backbone", None)
    return backbone if isinstance(backbone, PreTrainedModel) else model


def _outermost(model: TaskModel, kind: type[nn.Module]) -> list[tuple[str, nn.Module]]:
    found: list[tuple[str, nn.Module]] = []
    for name, module in model.model.named_modules():
        inside = any(name.startswith(outer + ".") for outer, _ in found)
        if isinstance(module, kind) and name and not inside and not model.is_head(name):
            found.append((name, module))
    return found


def _hold(module: nn.Module, *, frozen: bool) -> None:
    parameters = list(module.parameters())
    if parameters:
        frozen = not any(parameter.requires_grad for parameter in parameters)
    if frozen and getattr(module, "running_mean", None) is not None:
        module.train(False)
    for child in module.children():
        _hold(child, frozen=frozen)


def _quieten(module: nn.Module) -> None:
    """Still the parts of ``module`` before its first weight that learns."""
    if any(parameter.requires_grad for parameter in module.parameters(recurse=False)):
        return
    undecided: list[nn.Module] = []  # parts without weights go with the next part that has some
    for child in module.children():
        learns = [parameter.requires_grad for parameter in child.parameters()]
        if not learns:
            undecided.append(child)
            continue
        if not learns[0]:
            for part in undecided:
                part.train(False)
        if any(learns):
            _quieten(child)
            return
        child.train(False)
        undecided.clear()
