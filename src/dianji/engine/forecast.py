"""Forecasts the memory of training from tensors that have shapes and no contents.

A step of the real model runs on such tensors (torch's fake ones): every allocation is counted, nothing is computed and
no weight is loaded, so that it takes about a second whatever the size of the model and however unusual its layers.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers.utils.generic import ModelOutput

from dianji.engine.frozen.graph_split import GraphSplit, SizedBatch, likely_graph_split
from dianji.registry import REGISTRY
from dianji.spec.section import Component
from dianji.tasks.base import Batch

#: Measured (``benchmarks/memory_forecast.py``, on a CPU) beyond the tensors: the share that the allocator
#: loses between them; what libraries take for themselves as soon as they compute; and kernels and blocks for ever new
#: shapes, where lengths differ from batch to batch. MiB.
LOST, LIBRARIES, SHAPES = 0.14, 100.0, 100.0
#: What fast layers keep of a step's activations and gradients; and where rows are packed, which takes no new shapes.
FAST, PACKED = 0.5, 0.4
MIB = 2**20


@dataclass(frozen=True)
class Forecast:
    """MiB at the peak, by purpose."""

    process: float  # before training: Python, torch, the data
    weights: float
    optimizer: float  # its state
    step: float  # activations and gradients of the largest micro-batch
    evaluation: float  # activations of the largest batch without gradients
    checkpoint: float  # copies that are written
    libraries: float  # not for tensors

    @property
    def total(self) -> float:
        """Weights and state stay; of the others the largest counts, since they come one after the other."""
        tensors = self.weights + self.optimizer + max(self.step, self.evaluation, self.checkpoint)
        return self.process + tensors * (1 + LOST) + self.libraries


#: Models, each with its batch.
Runs = Sequence[tuple[nn.Module, Batch]]


@dataclass(frozen=True)
class Load:
    """The properties of a stage that decide its memory.

    ``model`` is on torch's device "meta", adapted, and in the state in which it will train; ``steps`` are the models
    that one step runs before its backward pass, each with the largest batch, as ``Task.running`` gives them;
    ``evaluations`` those of evaluations, which come one after the other; ``varied``: batches differ in shape;
    ``fast``: with fast layers; ``packed``: without padding; ``idle``: numbers in word vectors that do not
    occur, which no optimiser will see.
    """

    model: nn.Module
    steps: Runs
    evaluations: Runs
    optimizer: Component
    bf16: bool
    varied: bool
    fast: bool = False
    packed: bool = False
    idle: int = 0


def forecast(load: Load, process: float) -> Forecast:
    """Count a step, an evaluation and a checkpoint.

    Args:
        load: the stage's load. Its model is used up.
        process: MiB that are taken already.

    Raises:
        RuntimeError: the model does something that depends on numbers, which fake tensors lack.
    """
    weights = list(load.model.parameters())
    learnt = sum(weight.numel() for weight in weights if weight.requires_grad) - load.idle
    state = state_bytes(load.optimizer)
    steps, evaluations = (
        [(model, _Inputs.of(model, batch)) for model, batch in runs] for runs in (load.steps, load.evaluations)
    )
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        _materialise(load.model)
        load.model.train()
        step = _peak(lambda: _backward([inputs.logits(model, mode) for model, inputs in steps]), bf16=load.bf16)
        load.model.zero_grad()
        load.model.eval()
        with torch.no_grad():
            evaluation = max(
                (_peak(partial(inputs.logits, model, mode), bf16=load.bf16) for model, inputs in evaluations), default=0
            )
    return Forecast(
        process,
        sum(weight.numel() * weight.element_size() for weight in weights) / MIB,
        learnt * state / MIB,
        step * (PACKED if load.packed else FAST if load.fast else 1.0) / MIB,
        evaluation / MIB,
        (learnt * (4 + state) + load.idle * 4) / MIB,
        LIBRARIES + (SHAPES if load.varied and not load.packed else 0.0),
    )


def foreseen_graph_split(model: nn.Module, probes: tuple[SizedBatch, SizedBatch], *, bf16: bool) -> GraphSplit:
    """The most likely end of the frozen part, with the kind and size of its states.

    Args:
        model: as that of a ``Load``; it is used up.
        probes: batches of different sizes.
        bf16: whether products will be in half precision.

    Raises:
        NotSplittable: nothing frozen is worth keeping.
        RuntimeError: see ``forecast``.
    """
    inputs = {id(sample.batch): _Inputs.of(model, sample.batch) for sample in probes}
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, _products(bf16=bf16):
        _materialise(model)
        return likely_graph_split(model, lambda batch: inputs[id(batch)].logits(model, mode), probes)


def state_bytes(optimizer: Component) -> float:
    """Bytes of optimizer state for each weight, counted in one step on a small matrix."""
    weight = nn.Parameter(torch.zeros(256, 256))
    made = REGISTRY.build("optimizer", optimizer.name, optimizer.arguments).build([{"params": [weight], "lr": 1e-3}])
    weight.grad = torch.ones_like(weight)
    made.step()
    entries = [value for of in made.state_dict()["state"].values() for value in of.values()]
    return sum(value.nbytes for value in entries if isinstance(value, Tensor)) / weight.numel()


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts the bytes of tensors that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._seen: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Iterable[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._seen:
            return
        self.now += size
        self.peak = max(self.peak, self.now)

        def gone(reference: weakref.ref[Any]) -> None:
            del self._seen[key]
            self.now -= size

        self._seen[key] = weakref.ref(storage, gone)


def _peak(work: Callable[[], Any], *, bf16: bool) -> int:
    live = _Live()
    with live, _products(bf16=bf16):
        work()
    return live.peak


def _products(*, bf16: bool) -> AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()


def _materialise(model: nn.Module) -> None:
    """Fake weights on the CPU in the place of those on "meta", which mixed precision would skip."""
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                fresh = nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype), weight.requires_grad)
                module._parameters[name] = made.setdefault(id(weight), fresh)  # tied ones stay tied
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)


@dataclass(frozen=True)
class _Inputs:
    """The inputs of a model, and the number of positions that a language model predicts (None: no language model)."""

    tensors: Batch
    asked: int | None

    @classmethod
    def of(cls, model: nn.Module, batch: Batch) -> _Inputs:
        names = inspect.signature(model.forward).parameters
        target, ids = batch.get("labels"), batch.get("input_ids")
        language = target is not None and ids is not None and target.shape == ids.shape
        asked = int((target >= 0).sum()) if language and target is not None else None
        return cls({name: batch[name] for name in batch if name in names and name != "labels"}, asked)

    def logits(self, model: nn.Module, mode: FakeTensorMode) -> Tensor:
        """The logits; of a language model only at the positions that its task predicts."""
        inputs = {name: mode.from_tensor(value) for name, value in self.tensors.items()}
        trunk = getattr(model, "base_model", model)
        narrowed = self.asked is not None and trunk is not model
        handle = trunk.register_forward_hook(self._narrow) if narrowed else None
        try:
            found = _scores(model(**inputs))
        finally:
            if handle is not None:
                handle.remove()
        return found

    def _narrow(self, module: nn.Module, args: Any, output: Any) -> Any:
        hidden = output[0].flatten(0, 1)[: self.asked].unsqueeze(0)
        if isinstance(output, ModelOutput):  # a copy: another part may read it whole
            return type(output)(**{**output, next(iter(output.keys())): hidden})
        return (hidden, *output[1:])


def _scores(output: Any) -> Tensor:
    """Logits, or the first output of a model that has none."""
    logits = getattr(output, "logits", None)
    found: Tensor = output[0] if logits is None else logits
    return found


def _backward(logits: Sequence[Tensor]) -> None:
    torch.autograd.backward([each.float().log_softmax(-1).sum() for each in logits])
