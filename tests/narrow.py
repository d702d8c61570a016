"""A value whose type leaves several kinds open, taken as the one that a test expects."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def sure(kind: type[T], value: object) -> T:
    """The value; a failure where it is of another kind."""
    assert isinstance(value, kind), f"expected {kind.__name__}, found {value!r}"
    return value
