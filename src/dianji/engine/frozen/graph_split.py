"""Splits a model so that everything before the split is frozen; found by tracing it, for any architecture.

The model is split before a part (a layer, a head) whose input carries the whole information of the frozen parts before
it. This is not guessed from names: the frozen parts are made to return NaN, the part is given its true input, and the
loss and its gradients must be those of the whole model. The parts return NaN in training too, so that nothing leaks
unnoticed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from dianji.engine.frozen.shapes import Extent, NotSplittable, SymbolicShape, fill, generalise
from dianji.engine.frozen.trace import Call, Trace, evaluating, first_unsettled, frozen, trace
from dianji.tasks.base import Batch, Loss

#: Of the weights of a model's products, the part that must come before the cut to be worth it.
LEAST_SHARE = 0.1
_NOTHING = "nothing frozen runs before the first weight that learns"
#: Computes a task's loss on a batch with the model as it is.
Run = Callable[[Batch], Loss]


@dataclass(frozen=True)
class SizedBatch:
    """A few examples as one batch, with its size."""

    batch: Batch
    extent: Extent


@dataclass(frozen=True)
class GraphSplit:
    """``path`` is the part whose input is replaced; ``skipped`` are the frozen parts before it, with their outputs."""

    model: nn.Module
    path: str
    place: int | str  # of the input: a position or a name
    state: SymbolicShape
    skipped: Mapping[str, Any]

    @property
    def ragged(self) -> bool:
        """Whether the state has one entry per token rather than one per example."""
        return self.state.dimensions[1:2] == ("time",)

    @property
    def item(self) -> tuple[int, ...]:
        """The size of the state of one example, of one token if ragged."""
        return tuple(int(size) for size in self.state.dimensions[2 if self.ragged else 1 :])

    @cached_property
    def digest(self) -> str:
        """The digest of the frozen weights."""
        found = hashlib.sha256()
        for name, tensor in self.weights():
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return found.hexdigest()

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """All weights that the state depends on."""
        for path in self.skipped:
            yield from (
                (f"{path}.{name}", tensor) for name, tensor in self.model.get_submodule(path).state_dict().items()
            )

    def reach(self, run: Callable[[], object]) -> Tensor:
        """The state: ``run`` calls the model and is left at the split. In evaluation mode, without gradients."""

        def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            raise _Reached(args[self.place] if isinstance(self.place, int) else kwargs[self.place])

        handle = self.model.get_submodule(self.path).register_forward_pre_hook(stop, with_kwargs=True)
        try:
            with evaluating(self.model), torch.no_grad():
                run()
        except _Reached as reached:
            return reached.state
        finally:
            handle.remove()
        raise NotSplittable(f"'{self.path}' was not reached")

    @contextmanager
    def replayed(self, state: Tensor, extent: Extent) -> Iterator[None]:
        """Inside, the model begins at the split with ``state``, whatever its input is."""

        def put(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            if isinstance(self.place, int):
                return (*args[: self.place], state, *args[self.place + 1 :]), kwargs
            return args, {**kwargs, self.place: state}

        with ExitStack() as stack:
            for path, structure in self.skipped.items():
                nothing = fill(structure, lambda shape: shape.blank(extent, state.device))
                stack.enter_context(_instead(self.model.get_submodule(path), nothing))
            handle = self.model.get_submodule(self.path).register_forward_pre_hook(put, with_kwargs=True)
            stack.callback(handle.remove)
            yield


class _Reached(Exception):
    """Carries the state out of a forward pass."""

    def __init__(self, state: Tensor) -> None:
        super().__init__()
        self.state = state


@contextmanager
def _instead(module: nn.Module, output: Any) -> Iterator[None]:
    """``module`` returns ``output`` without computing anything. Its hooks and other replacements do not change."""
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = lambda *args, **kwargs: output
    try:
        yield
    finally:
        del module.__dict__["forward"]
        if before is not None:
            module.__dict__["forward"] = before


def find_graph_split(
    model: nn.Module, run: Run, probes: tuple[SizedBatch, SizedBatch], check: SizedBatch, tolerance: float
) -> GraphSplit:
    """The split that leaves the least to be computed again.

    Args:
        model: headed and adapted.
        run: the task's loss, in the run's precision.
        probes: batches of different sizes, to tell rows and time from other dimensions.
        check: a batch on which the cut model must agree with the whole one.
        tolerance: relative difference of loss and gradients, for the whole model may compute the batch's rows padded.

    Raises:
        NotSplittable: there is none; the message gives the reason.
    """
    traces = _traces(model, run, probes)
    candidates = [call for call in first_unsettled(model, traces[0]) if call.path]
    if not candidates:
        raise NotSplittable(_NOTHING)
    reasons: list[tuple[str, str]] = []
    best: GraphSplit | None = None
    whole = _loss_and_gradients(model, run, check.batch)
    for call in candidates:
        try:
            cut = _cut_at(model, call, traces, (probes[0].extent, probes[1].extent))
            if best is not None and (cut.skipped.keys(), cut.state) != (best.skipped.keys(), best.state):
                break
            _require_agreement(cut, run, check, whole, tolerance)
        except NotSplittable as reason:
            reasons.append((call.path, str(reason)))
        else:
            best = cut  # of parts inside each other the largest: a whole layer may compute in its own way
    if best is None:
        raise NotSplittable(_in_words(reasons))
    return best


def likely_graph_split(
    model: nn.Module, run: Callable[[Batch], object], probes: tuple[SizedBatch, SizedBatch]
) -> GraphSplit:
    """The split that ``find_graph_split`` tries first, not proved: it needs the order of the parts and no numbers.

    Args:
        model: headed and adapted; its weights may be torch's fake ones.
        run: calls the model.
        probes: batches of different sizes.

    Raises:
        NotSplittable: there is none; the message gives the reason.
    """
    traces = _traces(model, run, probes)
    reasons: list[tuple[str, str]] = []
    for call in first_unsettled(model, traces[0]):
        if not call.path:
            continue
        try:
            return _cut_at(model, call, traces, (probes[0].extent, probes[1].extent))
        except NotSplittable as reason:
            reasons.append((call.path, str(reason)))
    raise NotSplittable(_in_words(reasons) or _NOTHING)


def _in_words(reasons: Sequence[tuple[str, str]]) -> str:
    """The reasons against a split at some places; a shared reason is given once."""
    places: dict[str, list[str]] = {}
    for path, reason in reasons:
        places.setdefault(reason, []).append(path)
    return "; ".join(
        f"at '{paths[0]}'{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}: {reason}"
        for reason, paths in places.items()
    )


def _traces(
    model: nn.Module, run: Callable[[Batch], object], probes: tuple[SizedBatch, SizedBatch]
) -> tuple[Trace, Trace]:
    with evaluating(model):
        first, second = (trace(model, partial(run, sample.batch)) for sample in probes)
    if [call.path for call in first.calls] != [call.path for call in second.calls]:
        raise NotSplittable("the model calls other parts for another batch")
    return first, second


def _cut_at(model: nn.Module, call: Call, traces: tuple[Trace, Trace], sizes: tuple[Extent, Extent]) -> GraphSplit:
    first, second = traces
    if len(first.of(call.path)) > 1:
        raise NotSplittable("it is called more than once")
    place = next((name for name, tensor in call.inputs.items() if tensor.is_floating_point()), None)
    if place is None:
        raise NotSplittable("it is given no numbers")
    state = generalise(call.inputs[place], second.of(call.path)[0].inputs.get(place), sizes)
    if state.dimensions[:1] != ("rows",) or not all(isinstance(size, int) for size in state.dimensions[2:]):
        raise NotSplittable(f"its input is of shape {state.dimensions}, not one state per example or token")
    skipped = {
        path: generalise(first.of(path)[0].output, second.of(path)[0].output, sizes)
        for path in _settled_before(model, call, first)
    }
    if _products(model.get_submodule(path) for path in skipped) < LEAST_SHARE * _products([model]):
        raise NotSplittable("too little comes before it to be worth keeping")
    return GraphSplit(model, call.path, place, state, skipped)


def _settled_before(model: nn.Module, call: Call, found: Trace) -> list[str]:
    """The outermost frozen parts that are called once, before the split, and are not needed after it."""
    chosen: list[str] = []
    for before in found.calls:
        inside = any(before.path.startswith(f"{path}.") for path in chosen)
        if not before.ended < call.began or inside or len(found.of(before.path)) > 1:
            continue
        if frozen(model.get_submodule(before.path)):
            chosen.append(before.path)
    return chosen


def _products(modules: Sequence[nn.Module] | Iterator[nn.Module]) -> int:
    """The number of weights in matrix products; embedding tables do not count."""
    inside = (part for module in modules for part in module.modules() if not isinstance(part, nn.Embedding))
    return sum(weight.numel() for part in inside for weight in part.parameters(recurse=False) if weight.ndim > 1)


def _require_agreement(
    cut: GraphSplit, run: Run, check: SizedBatch, whole: tuple[float, Sequence[Tensor | None]], tolerance: float
) -> None:
    state = cut.reach(lambda: run(check.batch))
    try:
        with cut.replayed(state, check.extent):
            loss, gradients = _loss_and_gradients(cut.model, run, check.batch)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        # An unknown architecture may fail in any way without its inputs: it is then trained as a whole.
        raise NotSplittable(f"the model stops there ({type(error).__name__}: {error})") from error
    if not math.isfinite(loss):
        raise NotSplittable("what comes after it needs more than its input")
    if abs(loss - whole[0]) > tolerance * max(1.0, abs(whole[0])):
        raise NotSplittable(f"the loss of a few examples would be {loss:.6g}, not {whole[0]:.6g}")
    difference, size = _distance(gradients, whole[1])
    if not difference <= tolerance * size:
        raise NotSplittable(
            f"the gradients of a few examples would differ by {difference / max(size, 1e-30):.1e} of their size"
        )


def _loss_and_gradients(model: nn.Module, run: Run, batch: Batch) -> tuple[float, Sequence[Tensor | None]]:
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with evaluating(model):
        loss = run(batch).value
        return loss.item(), torch.autograd.grad(loss, learning, allow_unused=True)


def _distance(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> tuple[float, float]:
    """Of all gradients together: the length of their difference, and their length."""
    difference = size = 0.0
    for one, other in zip(found, expected, strict=True):
        if other is not None:
            size += other.double().pow(2).sum().item()
        if one is not None or other is not None:
            here = one if other is None else other if one is None else one - other
            difference += here.double().pow(2).sum().item() if here is not None else 0.0
    return math.sqrt(difference), math.sqrt(size)
