"""Encoder layers on a GPU, on the real tokens of a batch alone: attention of variable length by FlashAttention.

FlashAttention (Dao, 2023, arXiv:2307.08691) is part of torch and takes examples that lie behind each other, in half
precision. All else of a layer is torch's own operations, with queries, keys and values as one product. Before a model
is given these layers one of them is tried on the GPU itself, forward and backward, against the plain layer; where
that fails or another answer comes out, the model stays as it is and the log says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dianji.kernels.layers.families import Layer
from dianji.kernels.layers.packing import LEAST_PADDING, Packed, Stream
from dianji.kernels.layers.patching import Passing
from dianji.kernels.layers.products import Product

#: Largest share by which states and gradients in half precision may differ from those of the plain layer.
TOLERANCE = 3e-2
HALF = (torch.bfloat16, torch.float16)

#: Queries, keys and values (rows, heads, width) in half precision; starts (examples + 1,) int32; the longest example;
#: dropout of the weights; the scale of the scores. To (rows, heads, width).
Flash = Callable[[Tensor, Tensor, Tensor, Tensor, int, float, float], Tensor]


def flash(query: Tensor, key: Tensor, value: Tensor, starts: Tensor, time: int, dropout: float, scale: float) -> Tensor:
    """Torch's FlashAttention. Its function for variable lengths (torch.nn.attention.varlen) knows no dropout."""
    sizes = starts, starts, time, time
    found: Tensor = torch.ops.aten._flash_attention_forward(
        query, key, value, *sizes, dropout, False, False, scale=scale
    )[0]
    return found


@dataclass
class VarlenLayer(Passing):
    """A layer that takes packed rows where there is enough padding, and else is what it was."""

    layer: nn.Module
    parts: Layer
    stream: Stream
    attend: Flash = flash

    def __call__(self, hidden_states: Tensor, attention_mask: Tensor | None = None, *rest: Any, **options: Any) -> Any:
        """The layer's states, as it gives them, or of real tokens alone."""
        x, packed = self.stream.enter(self.layer, hidden_states, attention_mask)
        if packed is None:
            return type(self.layer).forward(self.layer, hidden_states, attention_mask, *rest, **options)
        rows = packed_layer(x.wide, packed, self.parts, self.attend)
        return self.stream.leave(self.layer, x._replace(wide=rows, narrow=None), hidden_states.shape)


def packed_layer(x: Tensor, packed: Packed, parts: Layer, attend: Flash) -> Tensor:
    """(rows, width) fp32 to the same: one layer, under autocast."""
    rates = [rate.now() for rate in parts.rates]

    def mixed(states: Tensor) -> Tensor:
        joined = linear(parts.attention.first, states)
        query, key, value = joined.view(len(x), 3, parts.heads, parts.head_width).unbind(dim=1)
        found = attend(query, key, value, packed.starts.int(), packed.time, rates[0], parts.scale)
        return linear(parts.attention.last, found.reshape(len(x), -1))

    def fed(states: Tensor) -> Tensor:
        wide = linear(parts.feed_forward.first, states)
        return linear(parts.feed_forward.last, parts.activation.forward(wide))

    for half, body, rate in ((parts.attention, mixed, rates[1]), (parts.feed_forward, fed, rates[2])):
        if half.norm_first:
            x = x + functional.dropout(body(half.norm(x)), rate)
        else:
            x = half.norm(x + functional.dropout(body(x), rate))
    return x


def linear(product: Product, x: Tensor) -> Tensor:
    """All parts' outputs side by side, in autocast's precision."""
    parts = product.parts
    weight = parts[0].weight if len(parts) == 1 else torch.cat([part.weight for part in parts])
    biases = [part.weight.new_zeros(len(part.weight)) if part.bias is None else part.bias for part in parts]
    found = functional.linear(x, weight, biases[0] if len(parts) == 1 else torch.cat(biases))
    low = [part.low_rank for part in parts]
    if any(one is not None for one in low):
        outs = torch.functional.split(found, [len(part.weight) for part in parts], dim=1)
        added = [
            out if one is None else out + functional.linear(functional.linear(x, one.down), one.up) * one.scale
            for out, one in zip(outs, low, strict=True)
        ]
        found = torch.cat(added, dim=1)
    return found


def pays(rows: Tensor, packed: Packed) -> bool:
    """Whether rows are packed: in half precision, with some padding to leave out."""
    kind = torch.get_autocast_dtype(rows.device.type) if torch.is_autocast_enabled(rows.device.type) else rows.dtype
    return kind in HALF and len(packed.places) <= (1 - LEAST_PADDING) * len(rows)


def fault(layer: nn.Module, parts: Layer, device: torch.device, attend: Flash = flash) -> str | None:
    """Why the packed form of this layer is not to be used here; None: it is what the plain one is.

    In bf16, or fp16 where the GPU has no bf16, in evaluation mode, on random states with padding.
    """
    training = {module: module.training for module in layer.modules()}
    layer.eval()
    try:
        packed = VarlenLayer(layer, parts, Stream(True, {}, pays), attend)
        found = [_tried(form, parts, device) for form in (layer, packed)]
    except Exception as error:  # noqa: BLE001  # whatever a GPU or its driver says: the plain layer is there
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return f"attention of variable length is not to be had here ({reason[:160]})"
    finally:
        for module, was in training.items():
            module.training = was
    apart = max(_apart(mine, plain) for plain, mine in zip(*found, strict=True))
    if not apart <= TOLERANCE:
        return f"{type(layer).__name__} computes something else here (difference {apart:.1e})"
    return None


def _tried(form: Callable[..., Any], parts: Layer, device: torch.device) -> list[Tensor]:
    """States of real tokens, and the gradients of states and weights."""
    generator = torch.Generator().manual_seed(0)
    size = (3, 8, int(parts.attention.norm.normalized_shape[0]))
    states, pull = (torch.randn(size, generator=generator).to(device) for _ in range(2))
    real = torch.arange(8, device=device) < torch.tensor([8, 3, 5], device=device)[:, None]
    mask = torch.zeros((3, 1, 8, 8), device=device).masked_fill(~real[:, None, None], torch.finfo(torch.float32).min)
    bf16 = device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    weights = [states.requires_grad_(), *(parameter for parameter in parts.parameters if parameter.requires_grad)]
    with torch.enable_grad(), torch.autocast(device.type, torch.bfloat16 if bf16 else torch.float16):
        out = form(states, mask)
    out = (out[0] if isinstance(out, tuple) else out).float() * real[:, :, None]
    return [out.detach(), *torch.autograd.grad((out * pull).sum(), weights)]


def _apart(mine: Tensor, plain: Tensor) -> float:
    """Of all numbers together, beside the plain ones, of which those without a size do not count."""
    least = 1e-2 * math.sqrt(plain.numel())
    return float((mine.float() - plain.float()).norm()) / max(float(plain.float().norm()), least)
