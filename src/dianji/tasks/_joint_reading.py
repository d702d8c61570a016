"""Examples of several parts that say the same: they share a batch, and the trunk reads them once for all heads."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from dianji.tasks.base import Batch, Task

#: The column of examples that holds what a text model reads.
READ = "input_ids"


def units(columns: Mapping[str, pa.ChunkedArray], places: Mapping[str, np.ndarray], examples: int) -> np.ndarray | None:
    """(examples,) the same number for examples of different parts with the same tokens; None where there are none.

    Args:
        columns: part -> the tokens of its examples.
        places: part -> where these examples stand among all.
        examples: how many there are of all parts.
    """
    found = np.arange(examples)
    first: dict[tuple[bytes, int], int] = {}
    for name, column in columns.items():
        again: Counter[bytes] = Counter()  # equal examples of one part are units of their own
        for place, key in zip(places[name].tolist(), _keys(column), strict=True):
            found[place] = first.setdefault((key, again[key]), place)
            again[key] += 1
    return None if len(np.unique(found)) == examples else found


def with_same_inputs(batch: Batch, tasks: Mapping[str, Task]) -> Batch:
    """The batch, in which parts with equal inputs hold the same tensors: the trunk tells by their identity."""
    known: list[Batch] = []
    found: Batch = {}
    for name, part in batch.items():
        inputs = tasks[name].model_inputs(part) if name in tasks else None
        if inputs is None:
            found[name] = part
            continue
        same = next((other for other in known if _equal(inputs, other)), None)
        if same is None:
            known.append(inputs)
        found[name] = part if same is None else {**part, **same}
    return found


@contextmanager
def read_once(trunk: nn.Module) -> Iterator[None]:
    """Within the block, a call of the trunk with the tensors of the call before returns what that one returned."""
    forward = trunk.forward
    names = inspect.signature(forward)
    last: list[tuple[dict[str, Any], Any]] = []

    def once(*args: Any, **options: Any) -> Any:
        given = _given(names.bind(*args, **options))
        if last and _is_same(given, last[0][0]):
            return last[0][1]
        answer = forward(*args, **options)
        last[:] = [(given, answer)]
        return answer

    trunk.forward = once
    try:
        yield
    finally:
        del trunk.forward


def _keys(column: pa.ChunkedArray) -> Iterator[bytes]:
    for chunk in column.chunks:
        values, offsets = chunk.values.to_numpy(), chunk.offsets.to_numpy()
        for start, stop in pairwise(offsets.tolist()):
            yield values[start:stop].tobytes()


def _equal(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(
        isinstance(value, Tensor) and isinstance(other[name], Tensor) and torch.equal(value, other[name])
        for name, value in one.items()
    )


def _given(call: inspect.BoundArguments) -> dict[str, Any]:
    """Arguments by name, without those that are left open; an output of named fields is what transformers gives."""
    flat: dict[str, Any] = {}
    for name, value in call.arguments.items():
        flat |= value if name in ("kwargs", "inputs", "options") and isinstance(value, dict) else {name: value}
    return {name: of for name, of in flat.items() if of is not None and not (name == "return_dict" and of is True)}


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        value is other[name] if isinstance(value, Tensor) else value == other[name] for name, value in one.items()
    )
