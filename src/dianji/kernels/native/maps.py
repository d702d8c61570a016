"""The kernels for maps, which lie channels last: (batch, height, width, channels) ``T``, as ``encoder`` has it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dianji.kernels.native.library import NAMES, address, call, run
from dianji.kernels.native.structs import MapStruct, WindowsStruct

MOST_SIDE = 15  # of a window: a place in it is a byte
MOST_CHANNELS, MOST_ACROSS = 2**14, 2**18  # of a place, and of a row of places, on a thread's stack


class Moments(NamedTuple):
    """Of each channel (channels,) fp32."""

    mean: Tensor
    rstd: Tensor  # 1 / deviation


class Map(NamedTuple):
    """A map that goes into a sum: normalised, or as it is where it has no moments."""

    x: Tensor
    moments: Moments | None = None
    gain: Tensor | None = None
    shift: Tensor | None = None


class Running(NamedTuple):
    """Statistics over batches (channels,) fp32, moved by ``factor`` towards those of each."""

    mean: Tensor
    var: Tensor
    factor: float


class SlidingWindows(NamedTuple):
    """Square windows: their size, how far apart they are, and how far the first is outside."""

    size: int
    stride: int
    pad: int


class MapGradients(NamedTuple):
    """Of a sum's maps, of the shift (channels,) that every normalised one shares, and of their gains."""

    one: Tensor
    two: Tensor | None
    shift: Tensor
    gain_one: Tensor
    gain_two: Tensor | None


def knows(x: Tensor) -> bool:
    """Whether the kernels can work on such maps (batch, channels, height, width)."""
    return x.dtype in NAMES and x.device.type == "cpu" and x.ndim == 4 and x.shape[1] <= MOST_CHANNELS


def pools(shape: torch.Size, windows: SlidingWindows) -> bool:
    """Whether windows over maps (batch, channels, height, width) are compiled."""
    _, channels, height, width = shape
    fits = windows.size <= min(MOST_SIDE, height + 2 * windows.pad, width + 2 * windows.pad)
    return fits and 2 * windows.pad <= windows.size and width * channels <= MOST_ACROSS


def moments(x: Tensor, epsilon: float, running: Running) -> Moments:
    """Of a batch of at least two places; moves the running statistics, whose deviations are of samples."""
    threads, channels = torch.get_num_threads(), x.shape[-1]
    found = Moments(*torch.empty((2, channels)))
    parts = torch.empty(threads * 2 * channels, dtype=torch.float64)
    floats = epsilon, running.factor
    call("moments", x.dtype, x, *_size(x), *floats, *found, running.mean, running.var, parts, threads)
    torch.autograd.graph.increment_version([running.mean, running.var])
    return found


def norm_relu(one: Map, two: Map | None) -> Tensor:
    """``relu(one)``, or ``relu(one + two)``."""
    out = torch.empty_like(one.x)
    call("norm_relu", out.dtype, _struct(one), _struct(two), *_size(out), out, torch.get_num_threads())
    return out


def norm_relu_backward(grad: Tensor, out: Tensor | None, one: Map, two: Map | None) -> MapGradients:
    """From the gradient of ``out``; None: of the sum, before its relu. ``one`` must be normalised."""
    threads, channels = torch.get_num_threads(), grad.shape[-1]
    d_one, d_two = torch.empty_like(grad), None if two is None else torch.empty_like(grad)
    sums = torch.empty((3, channels))
    parts = torch.empty(threads * 3 * channels, dtype=torch.float64)
    maps = _struct(one), _struct(two)
    call("norm_relu_backward", grad.dtype, grad, out, *maps, *_size(grad), d_one, d_two, sums, parts, threads)
    shift, gain_one, gain_two = sums
    return MapGradients(d_one, d_two, shift, gain_one, gain_two if two is not None and two.moments else None)


def norm_relu_pool(one: Map, windows: SlidingWindows) -> tuple[Tensor, Tensor]:
    """The largest of ``relu(one)`` in each window, and where in it that stood: uint8, which ``unpool`` reads."""
    form = _windows(one.x, windows)
    out = one.x.new_empty((form.batch, form.high, form.wide, form.channels))
    place = torch.empty_like(out, dtype=torch.uint8)
    call("norm_relu_pool", out.dtype, _struct(one), form, out, place, torch.get_num_threads())
    return out, place


def unpool(grad: Tensor, place: Tensor, windows: SlidingWindows, x: Tensor) -> Tensor:
    """The gradient of what relu was given, in the form of ``x``."""
    whole = torch.empty_like(x)
    call("unpool", grad.dtype, grad, place, _windows(x, windows), whole, torch.get_num_threads())
    return whole


def unfold(x: Tensor, windows: SlidingWindows) -> Tensor:
    """Every window's places in one row (batch * high * wide, size * size * channels), with zeros outside; bf16 only."""
    form = _windows(x, windows)
    cols = x.new_empty((form.batch * form.high * form.wide, form.size * form.size * form.channels))
    run("unfold", x, form, cols, torch.get_num_threads())
    return cols


def _size(x: Tensor) -> tuple[int, int]:
    """Rows and channels."""
    return x.shape[:-1].numel(), x.shape[-1]


def _struct(of: Map | None) -> MapStruct | None:
    if of is None:
        return None
    tensors = (of.x, *(of.moments or (None, None)), of.gain, of.shift)
    if not all(tensor is None or tensor.is_contiguous() for tensor in tensors):
        raise ValueError("a kernel was given a tensor that is not contiguous")
    kinds = of.x.dtype, *(4 * [torch.float32])
    return MapStruct(*(address(tensor, kind, "a map's tensor") for tensor, kind in zip(tensors, kinds, strict=True)))


def _windows(x: Tensor, of: SlidingWindows) -> WindowsStruct:
    high, wide = ((side + 2 * of.pad - of.size) // of.stride + 1 for side in x.shape[1:3])
    return WindowsStruct(*x.shape, high, wide, *of)
