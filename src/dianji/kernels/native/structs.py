"""Structs and constants that C and Python both write down; ``facts.h`` says what C has, and loading compares them."""

from __future__ import annotations

import ctypes

import numpy as np

#: Of the functions' arguments and of the structs; raised in ``facts.h`` and here with every change of them.
ABI = 1
#: Numbers in a vector; longest attention and widest head that a core's own cache holds.
VECTOR, MOST_TIME, MOST_HEAD = 16, 256, 128
PIECE = 16384  # numbers that one thread of AdamW takes at a time
#: Of tiles: a block's side, and how many blocks are summed at a time.
SIDE, DEEP = 32, 36
#: Bytes that the hungriest kernel (``attend_backward``) takes of a thread's stack.
STACK = 4 * (5 * MOST_TIME * MOST_HEAD + 2 * MOST_TIME * MOST_TIME) + 8 * (MOST_TIME * MOST_TIME // 4 + VECTOR)


def _pointers(*names: str) -> tuple[tuple[str, type[ctypes.c_void_p]], ...]:
    return tuple((name, ctypes.c_void_p) for name in names)


def _longs(*names: str) -> tuple[tuple[str, type[ctypes.c_long]], ...]:
    return tuple((name, ctypes.c_long) for name in names)


class AttentionStruct(ctypes.Structure):
    """Struct Attention of kernels.c."""

    _fields_ = (
        *_longs("batch", "time", "heads", "width"),
        ("scale", ctypes.c_float),
        *_pointers("bias"),
        *_longs("bias_batch", "bias_head", "bias_row"),
        ("seed", ctypes.c_uint64),
        ("bound", ctypes.c_int),
        ("kept", ctypes.c_float),
        *_pointers("starts"),
    )


class MapStruct(ctypes.Structure):
    """Struct Map of kernels.c."""

    _fields_ = _pointers("x", "mean", "rstd", "gain", "shift")


class WindowsStruct(ctypes.Structure):
    """Struct Windows of kernels.c."""

    _fields_ = _longs("batch", "height", "width", "channels", "high", "wide", "size", "stride", "pad")


class LinearStruct(ctypes.Structure):
    """Struct Linear of layer.h."""

    _fields_ = (*_pointers("forward", "backward", "bias", "d_weight", "d_bias"), *_longs("out", "in"))


class NormStruct(ctypes.Structure):
    """Struct Norm of layer.h."""

    _fields_ = (
        *_pointers("gain", "shift"),
        ("epsilon", ctypes.c_float),
        ("kept", ctypes.c_float),
        ("seed", ctypes.c_uint64),
        ("bound", ctypes.c_int),
        *_pointers("total", "mean", "rstd", "d_gain", "d_shift"),
    )


class LayerStruct(ctypes.Structure):
    """Struct Layer of layer.h."""

    _fields_ = (
        ("attention", AttentionStruct),
        *((name, LinearStruct) for name in ("joined", "output", "up", "down")),
        *((name, NormStruct) for name in ("first", "second")),
        *_longs("rows", "width"),
        *_pointers("places", "x", "read", "heads", "mixed", "most", "share", "out", "middle", "middle_read"),
        *_pointers("before", "after", "result", "result_read"),
        *_pointers("grad", "d_total", "d_middle", "dx", "d_out", "d_mixed", "d_wide", "parts", "packed"),
    )


#: Struct Weight of kernels.c, of which AdamW hands over a table.
WEIGHT = np.dtype(
    [
        *((name, np.uintp) for name in ("weight", "grad", "first", "second", "steps")),
        ("count", np.int_),
        *((name, np.uintp) for name in ("forward", "backward")),
        *((name, np.int_) for name in ("in", "row", "rows")),
    ],
    align=True,
)

#: What ``fact`` of the library gives, in its order.
FACTS = {
    "the ABI": ABI,
    "the size of Attention": ctypes.sizeof(AttentionStruct),
    "the size of Map": ctypes.sizeof(MapStruct),
    "the size of Windows": ctypes.sizeof(WindowsStruct),
    "the size of Weight": WEIGHT.itemsize,
    "the size of Linear": ctypes.sizeof(LinearStruct),
    "the size of Norm": ctypes.sizeof(NormStruct),
    "the size of Layer": ctypes.sizeof(LayerStruct),
    "WIDE": VECTOR,
    "MOST_TIME": MOST_TIME,
    "MOST_HEAD": MOST_HEAD,
    "PIECE": PIECE,
    "SIDE": SIDE,
    "DEEP": DEEP,
    "STACK": STACK,
}
