"""The library's functions with the types of their arguments, and whether the library is the one that Python expects."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch

from dianji.kernels.native.structs import FACTS, AttentionStruct, LayerStruct, MapStruct, WindowsStruct

#: Types of matrix products, by the ending of a kernel's name.
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Mismatch(Exception):
    """How the library differs from what is expected here."""


@dataclass(frozen=True)
class Pointer:
    """An argument that is the address of a contiguous tensor.

    Args:
        dtype: of the tensor; None: that of the kernel's matrix products.
        optional: whether there may be no tensor.
    """

    dtype: torch.dtype | None
    optional: bool = False


@dataclass(frozen=True)
class Struct:
    """An argument that is the address of a struct; ``optional`` as for ``Pointer``."""

    kind: type[ctypes.Structure]
    optional: bool = False


Argument = Pointer | Struct | type[Any]  # the last: a number of ctypes


@dataclass(frozen=True)
class Function:
    """One function of the library."""

    call: Callable[..., Any]
    arguments: tuple[Argument, ...]


INT, LONG, FLOAT, DOUBLE, SEED = ctypes.c_int, ctypes.c_long, ctypes.c_float, ctypes.c_double, ctypes.c_uint64
ADDRESS = ctypes.c_void_p
THREADS = INT
T, FP32, BF16 = Pointer(None), Pointer(torch.float32), Pointer(torch.bfloat16)
FP64, INT64, UINT8 = Pointer(torch.float64), Pointer(torch.int64), Pointer(torch.uint8)
MAYBE_T, MAYBE_FP32, MAYBE_BF16 = (replace(pointer, optional=True) for pointer in (T, FP32, BF16))
_DROP: tuple[Argument, ...] = (SEED, INT, FLOAT, replace(INT64, optional=True))
_MAPS: tuple[Argument, ...] = (Struct(MapStruct), Struct(MapStruct, optional=True))

#: Kernels for both types of matrix products, without the ending of their names.
OF_BOTH: dict[str, tuple[Argument, ...]] = {
    "attend": (T, Struct(AttentionStruct), T, FP32, FP32, THREADS),
    "attend_backward": (T, T, Struct(AttentionStruct), FP32, FP32, T, FP32, FP32, THREADS),
    "add_norm": (
        *(T, FP32, MAYBE_FP32, MAYBE_FP32, FLOAT, LONG, LONG, *_DROP),
        *(MAYBE_FP32, FP32, MAYBE_T, FP32, FP32, THREADS),
    ),
    "add_norm_backward": (
        *(FP32, FP32, FP32, FP32, MAYBE_FP32, LONG, LONG, *_DROP),
        *(FP32, T, FP32, FP32, FP32, FP32, THREADS),
    ),
    "gelu_backward": (T, T, LONG, LONG, T, FP32, FP32, THREADS),
    "moments": (T, LONG, LONG, FLOAT, FLOAT, FP32, FP32, FP32, FP32, FP64, THREADS),
    "norm_relu": (*_MAPS, LONG, LONG, T, THREADS),
    "norm_relu_backward": (T, MAYBE_T, *_MAPS, LONG, LONG, T, MAYBE_T, FP32, FP64, THREADS),
    "norm_relu_pool": (Struct(MapStruct), Struct(WindowsStruct), T, UINT8, THREADS),
    "unpool": (T, UINT8, Struct(WindowsStruct), T, THREADS),
}
OF_ONE: dict[str, tuple[Argument, ...]] = {
    "widen": (BF16, FP32, LONG, THREADS),
    "add_wide": (BF16, FP32, FP32, LONG, THREADS),
    "transpose": (BF16, BF16, LONG, LONG, THREADS),
    "unfold": (BF16, Struct(WindowsStruct), BF16, THREADS),
    "squares": (ADDRESS, LONG, ADDRESS, THREADS),
    "adamw": (ADDRESS, LONG, DOUBLE, DOUBLE, DOUBLE, DOUBLE, FLOAT, FLOAT, THREADS),
    "tiles": (),
}
#: Of a library that was compiled for a processor with AMX.
OF_TILES: dict[str, tuple[Argument, ...]] = {
    "tiles_pack": (FP32, LONG, LONG, LONG, LONG, BF16, BF16, THREADS),
    "tiles_product": (BF16, BF16, MAYBE_FP32, LONG, LONG, LONG, MAYBE_BF16, MAYBE_BF16, THREADS),
    "tiles_wide": (BF16, BF16, MAYBE_FP32, LONG, LONG, LONG, FP32, THREADS),
    "tiles_gelu_backward": (BF16, BF16, BF16, LONG, LONG, LONG, BF16, FP32, FP32, THREADS),
    "tiles_gradient": (BF16, BF16, LONG, LONG, LONG, BF16, FP32, THREADS),
    "layer_forward": (Struct(LayerStruct), THREADS),
    "layer_backward": (Struct(LayerStruct), THREADS),
}
RESULTS: dict[str, type[Any]] = {"squares": DOUBLE, "tiles": INT}


def bind(library: ctypes.CDLL) -> Mapping[str, Function]:
    """The functions of a library, by name, each with the types of its arguments.

    Raises:
        Mismatch: a struct, a constant or a function of the library is not what is expected here.
    """
    _compare(library)
    expected = OF_ONE | {
        f"{name}_{ending}": tuple(Pointer(kind, of.optional) if of in (T, MAYBE_T) else of for of in arguments)
        for name, arguments in OF_BOTH.items()
        for ending, kind in KINDS.items()
    }
    missing = [name for name in expected if not hasattr(library, name)]
    if missing:
        raise Mismatch(f"the library lacks {', '.join(missing)}")
    present = expected | {name: arguments for name, arguments in OF_TILES.items() if hasattr(library, name)}
    return {name: _typed(library, name, arguments) for name, arguments in present.items()}


def _compare(library: ctypes.CDLL) -> None:
    if not hasattr(library, "fact"):
        raise Mismatch("the library says nothing of its structs")
    fact = library.fact
    fact.argtypes, fact.restype = (LONG,), LONG
    for number, (name, expected) in enumerate(FACTS.items()):
        found = fact(number)
        if found != expected:
            raise Mismatch(f"{name} is {found} in the library, {expected} was expected")
    if fact(len(FACTS)) != -1:
        raise Mismatch("the library knows facts that are not expected here")


def _typed(library: ctypes.CDLL, name: str, arguments: tuple[Argument, ...]) -> Function:
    function = getattr(library, name)
    function.argtypes = tuple(_as_ctypes(argument) for argument in arguments)
    function.restype = RESULTS.get(name)
    return Function(function, arguments)


def _as_ctypes(argument: Argument) -> type[Any]:
    if isinstance(argument, Pointer):
        return ADDRESS
    return cast("type[Any]", ctypes.POINTER(argument.kind) if isinstance(argument, Struct) else argument)
