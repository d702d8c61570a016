"""Arrow types in words, and told apart whatever the width of their offsets."""

from __future__ import annotations

import pyarrow as pa


def describe(kind: pa.DataType) -> str:
    """An Arrow type in words."""
    if is_string(kind):
        return "text"
    for test, word in (
        (pa.types.is_boolean, "true and false"),
        (pa.types.is_integer, "whole numbers"),
        (pa.types.is_floating, "fractions"),
        (pa.types.is_decimal, "fractions"),
        (pa.types.is_temporal, "dates"),
        (pa.types.is_null, "nothing at all"),
        (is_binary, "bytes"),
        (is_list, "lists"),
        (pa.types.is_struct, "objects"),
    ):
        if test(kind):
            return word
    return str(kind)


def is_string(kind: pa.DataType) -> bool:
    """Text of any width."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Bytes of any width."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Lists of any width."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_image(kind: pa.DataType) -> bool:
    """Bytes, or a struct with bytes."""
    return bool(is_binary(kind) or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0))
