"""Calling the compiled functions, with tensors as arguments.

With ``DIANJI_KERNELS_DEBUG=1`` every call checks what it is given: the type, the device and the layout of each tensor.
Without it only the layout is checked, since a wrong type cannot come from a caller in this package.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dianji.kernels.native.abi import KINDS, Argument, Pointer
from dianji.kernels.native.build import built

DEBUG = os.environ.get("DIANJI_KERNELS_DEBUG", "").lower() in ("1", "on", "yes", "true")
NAMES = {kind: name for name, kind in KINDS.items()}


def available() -> bool:
    """Whether there are compiled kernels on this machine."""
    return built().functions is not None


def identity() -> str:
    """Which kernels: from which sources, by which compiler, for which processor; empty where there are none."""
    return built().digest


def call(name: str, dtype: torch.dtype, *arguments: object) -> None:
    """The kernel for a type of matrix products."""
    run(f"{name}_{NAMES[dtype]}", *arguments)


def run(name: str, *arguments: object) -> Any:
    """A function of the library. Addresses are those of tensors that the caller still holds.

    Raises:
        RuntimeError: there is no such function here.
        ValueError: a tensor is not contiguous, or when debugging: it is of another type or on another device.
    """
    functions = built().functions
    function = None if functions is None else functions.get(name)
    if function is None:
        raise RuntimeError(f"{name}: there are no compiled kernels here, or they lack this one")
    if DEBUG:
        _check(name, function.arguments, arguments)
    return function.call(*[_as_c(value) for value in arguments])


def address(tensor: Tensor | None, dtype: torch.dtype, owner: str) -> int | None:
    """Of a tensor whose address becomes part of a struct, which must hold as long as the struct is used.

    Raises:
        ValueError: as ``run``; ``owner`` says what the tensor is.
    """
    if tensor is None:
        return None
    if DEBUG:
        _check_tensor(owner, tensor, dtype)
    return tensor.data_ptr()


def _as_c(value: object) -> object:
    if isinstance(value, Tensor):
        if not value.is_contiguous():
            raise ValueError("a kernel was given a tensor that is not contiguous")
        return value.data_ptr()
    return ctypes.byref(value) if isinstance(value, ctypes.Structure) else value


def _check(name: str, expected: Sequence[Argument], given: Sequence[object]) -> None:
    if len(expected) != len(given):
        raise ValueError(f"{name} takes {len(expected)} arguments, found {len(given)}")
    for number, (argument, value) in enumerate(zip(expected, given, strict=True), start=1):
        owner = f"argument {number} of {name}"
        if isinstance(value, Tensor):
            if not isinstance(argument, Pointer):
                raise ValueError(f"{owner} is a tensor, expected {argument}")
            _check_tensor(owner, value, argument.dtype)
        elif value is None and not getattr(argument, "optional", False):
            raise ValueError(f"{owner} is missing")


def _check_tensor(owner: str, tensor: Tensor, dtype: torch.dtype | None) -> None:
    if tensor.dtype != dtype:
        raise ValueError(f"{owner} is {tensor.dtype}, expected {dtype}")
    if tensor.device.type != "cpu":
        raise ValueError(f"{owner} is on {tensor.device}, expected the CPU")
    if not tensor.is_contiguous():
        raise ValueError(f"{owner} is not contiguous: {tuple(tensor.shape)} with strides {tensor.stride()}")
