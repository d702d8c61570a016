"""Symbolic shapes of a part's outputs, from two batches of different size: which dimensions are rows or time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Dimension = int | Literal["rows", "time"]


class NotSplittable(Exception):
    """A model cannot be split here; the message gives the reason. Never reaches a caller of the package."""


@dataclass(frozen=True)
class Extent:
    """The size of one batch: examples, and tokens of the longest one."""

    rows: int
    time: int


@dataclass(frozen=True)
class SymbolicShape:
    """The shape of a tensor in any batch."""

    dimensions: tuple[Dimension, ...]
    dtype: torch.dtype

    def sizes(self, of: Extent) -> tuple[int, ...]:
        """In numbers."""
        named = {"rows": of.rows, "time": of.time}
        return tuple(size if isinstance(size, int) else named[size] for size in self.dimensions)

    def blank(self, of: Extent, device: torch.device) -> Tensor:
        """A tensor of NaN that takes no memory: any use of it shows in the result."""
        nothing = float("nan") if self.dtype.is_floating_point else 0
        return torch.full((), nothing, dtype=self.dtype, device=device).expand(self.sizes(of))


def generalise(one: Any, other: Any, sizes: tuple[Extent, Extent]) -> Any:
    """The same structure with a ``SymbolicShape`` for each tensor; None for objects of other kinds.

    Args:
        one: a part's output for a batch of the first size.
        other: its output for a batch of the second size.
        sizes: these must differ in rows, and in time unless all examples are equally long.

    Raises:
        NotSplittable: the two are not of one structure, or depend on the batch in another way.
    """
    if type(one) is not type(other):
        raise NotSplittable(f"gives {type(one).__name__} for one batch and {type(other).__name__} for another")
    if isinstance(one, Tensor):
        return _shape(one, other, sizes)
    if isinstance(one, Mapping):
        if list(one) != list(other):
            raise NotSplittable("gives other things for another batch")
        return _like(one, {name: generalise(value, other[name], sizes) for name, value in one.items()})
    if isinstance(one, (tuple, list)):
        if len(one) != len(other):
            raise NotSplittable("gives more things for one batch than for another")
        return _in_a_row(one, [generalise(*pair, sizes) for pair in zip(one, other, strict=True)])
    if isinstance(one, (bool, int, float, str)) and one != other:
        raise NotSplittable(f"gives {one} for one batch and {other} for another")
    return one if isinstance(one, (bool, int, float, str)) else None


def fill(structure: Any, make: Callable[[SymbolicShape], Tensor]) -> Any:
    """A structure from ``generalise`` with the results of ``make`` in place of the shapes."""
    if isinstance(structure, SymbolicShape):
        return make(structure)
    if isinstance(structure, Mapping):
        return _like(structure, {name: fill(value, make) for name, value in structure.items()})
    if isinstance(structure, (tuple, list)):
        return _in_a_row(structure, [fill(value, make) for value in structure])
    return structure


def _shape(one: Tensor, other: Tensor, sizes: tuple[Extent, Extent]) -> SymbolicShape:
    if one.dim() != other.dim() or one.dtype != other.dtype:
        raise NotSplittable("gives tensors of another kind for another batch")
    return SymbolicShape(tuple(_dimension(pair, sizes) for pair in zip(one.shape, other.shape, strict=True)), one.dtype)


def _dimension(pair: tuple[int, int], sizes: tuple[Extent, Extent]) -> Dimension:
    first, second = sizes
    if pair[0] == pair[1]:
        return pair[0]
    if pair == (first.rows, second.rows):
        return "rows"
    if pair == (first.time, second.time):
        return "time"
    raise NotSplittable(f"has a dimension of {pair[0]} for {first}, and of {pair[1]} for {second}")


def _like(container: Mapping[str, Any], values: dict[str, Any]) -> Any:
    """The outputs of transformers are mappings that are built from their names; an ordinary one is a dict."""
    return values if type(container) is dict else type(container)(**values)


def _in_a_row(container: tuple[Any, ...] | list[Any], values: list[Any]) -> Any:
    named = hasattr(container, "_fields")  # a NamedTuple takes its values one by one
    return type(container)(*values) if named else type(container)(values)
