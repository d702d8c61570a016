"""The fast layers of a model: encoder and residual layers in fewer operations, a word table of the rows that occur."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from dianji.kernels.layers.attention import AttentionShape
from dianji.kernels.layers.between import Attention, Between, ByTorch, between, describe
from dianji.kernels.layers.blocks import attention_half, feed_forward_half
from dianji.kernels.layers.families import Layer, parts_of
from dianji.kernels.layers.noise import Noise
from dianji.kernels.layers.packing import Stream
from dianji.kernels.layers.patching import Forward, Passing, patched
from dianji.kernels.layers.residual import difference, find_residual
from dianji.kernels.layers.table import CompactTable
from dianji.kernels.layers.varlen import VarlenLayer, fault, pays
from dianji.kernels.layers.whole import whole_layer
from dianji.kernels.native import encoder, library
from dianji.kernels.native.adamw import CompiledAdamW
from dianji.kernels.native.tiles import Copy

#: Largest difference of a fast layer to the plain one in fp32, on states of size 1.
TOLERANCE = 2e-4


@dataclass
class FastLayers:
    """Layers of one model that have a fast form; ``description`` says in words what they are, or why there are none."""

    layers: dict[nn.Module, Layer] = field(default_factory=dict)
    description: str = "off"
    table: CompactTable | None = None
    by: Between = field(default_factory=ByTorch)
    followers: dict[nn.Module, nn.Module] = field(default_factory=dict)  # of layers that are called one after the other
    residual: dict[nn.Module, Forward] = field(default_factory=dict)  # convolutional layers, which have no products
    on_gpu: bool = False  # only attention and padding are another matter there

    @property
    def packs(self) -> bool:
        """Whether products in bf16 are of real tokens alone."""
        return bool(self.layers) and not self.on_gpu and _packs(self.layers.values(), self.by)

    @contextmanager
    def on(self, *, compiled: bool = False) -> Iterator[None]:
        """While active, the layers compute their fast form in this thread; no optimiser may step meanwhile.

        Modules, names and parameters stay as they are. Nothing happens to a model that is compiled as a whole.
        """
        if compiled:
            yield
            return
        fast: dict[nn.Module, Forward] = {}
        if self.on_gpu:
            stream = Stream(True, self.followers, pays)
            fast |= {layer: VarlenLayer(layer, parts, stream) for layer, parts in self.layers.items()}
        else:
            stream = Stream(self.packs, self.followers)
            fast |= {layer: _FastLayer(layer, parts, stream, self.by) for layer, parts in self.layers.items()}
        fast |= self.residual
        with patched(fast):
            yield

    def renew(self) -> None:
        """The weights may have changed: they are cast anew when next needed."""
        for parts in self.layers.values():
            for product in parts.products:
                product.renew()

    @contextmanager
    def stepping(self, optimizer: Any) -> Iterator[None]:
        """Around the optimiser's step: one that knows how writes to what is cast too, else it is cast anew."""
        plain = getattr(optimizer, "optimizer", optimizer)  # as accelerate wraps it
        products = [product for parts in self.layers.values() for product in parts.products]
        copies: list[dict[Tensor, Copy]] = [{} for _ in products]
        if isinstance(plain, CompiledAdamW):
            copies = [product.copies() for product in products]
            packed = {weight: copy for each in copies for weight, copy in each.items()}
            if len(packed) < sum(map(len, copies)):  # a weight that several products share has several copies
                packed, copies = {}, [{} for _ in products]
            with plain.packing(packed):
                yield
        else:
            yield
        for product, written in zip(products, copies, strict=True):
            if written:
                product.follow()
            else:
                product.renew()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """As ``on``, for rows that may hold other words than those which are learnt from: the word table is whole.

        Techniques may have put other weights in place for it.
        """
        self.renew()
        with self.on(), self.table.whole() if self.table is not None else nullcontext():
            yield
        self.renew()

    def end(self) -> None:
        """Leave the model as it would be without fast layers, and give back what it held."""
        if self.table is not None:
            self.table.restore()
            self.table = None
        for parts in self.layers.values():
            for product in parts.products:
                product.forget()


def find_fast_layers(model: nn.Module, device: torch.device) -> FastLayers:
    """The fast layers of a model, proved on its own layers; none, with the reason, where it has none."""
    if device.type not in ("cpu", "cuda"):
        return FastLayers(description=f"none on {device.type}")
    candidates = [(layer, config) for layer, config in _layers(model)]
    if not candidates:
        return _find_residual(model) if device.type == "cpu" else FastLayers(description=f"none on {device.type}")
    found: dict[nn.Module, Layer] = {}
    for layer, config in candidates:
        parts = parts_of(layer, config)
        if isinstance(parts, str):
            return FastLayers(description=f"none, {parts}")
        found[layer] = parts
    layer, parts = next(iter(found.items()))
    followers = {
        one: after
        for parts in model.modules()
        if isinstance(parts, nn.ModuleList)
        for one, after in pairwise(parts)
        if one in found and after in found
    }
    if device.type == "cuda":
        if wrong := fault(layer, parts, device):
            return FastLayers(description=f"none, {wrong}")
        words = f"{len(found)} layers of {type(layer).__name__}, in half precision without padding"
        return FastLayers(found, words, followers=followers, on_gpu=True)
    by = between()
    apart = _difference(layer, parts, by)
    if not apart <= TOLERANCE:
        return FastLayers(
            description=f"none, {type(layer).__name__} computes something else here (difference {apart:.1e})"
        )
    return FastLayers(found, f"{len(found)} layers of {type(layer).__name__}, {describe()}", by=by, followers=followers)


def _find_residual(model: nn.Module) -> FastLayers:
    """The fast layers of a convolutional model, for which there are only compiled kernels."""
    found = find_residual(model)
    if isinstance(found, str):
        return FastLayers(description=f"none, {found}")
    if not found:
        return FastLayers(description=f"none, {type(model).__name__} has no encoder or residual layers of a known form")
    if not library.available():
        return FastLayers(description=f"none, {describe()}")
    for kind in dict.fromkeys(map(type, found)):
        layer = next(layer for layer in found if type(layer) is kind)
        apart = difference(layer)
        if not apart <= TOLERANCE:
            return FastLayers(
                description=f"none, {kind.__name__} computes something else here (difference {apart:.1e})"
            )
    return FastLayers(residual=found, description=f"{len(found)} layers of {type(model).__name__}, {describe()}")


class Likely(NamedTuple):
    """Which fast layers a model would have, by the forms of its layers; weights need not be there."""

    fast: bool
    packed: bool  # in bf16


def likely_fast_layers(model: nn.Module) -> Likely:
    """Whether all encoder layers are of a known form, and whether rows would be packed."""
    forms = [parts_of(layer, config) for layer, config in _layers(model)]
    known = [form for form in forms if not isinstance(form, str)]
    fast = bool(forms) and len(known) == len(forms)
    return Likely(fast, fast and _packs(known, between()))


def _packs(layers: Iterable[Layer], by: Between) -> bool:
    """Whether attention knows where examples begin, and products take any number of rows."""
    return by.packs and all(
        encoder.attends(1, parts.head_width) and all(product.takes_any_rows for product in parts.products)
        for parts in layers
    )


@dataclass
class _FastLayer(Passing):
    """A layer's fast form."""

    layer: nn.Module
    parts: Layer
    stream: Stream
    by: Between

    def __call__(self, hidden_states: Tensor, attention_mask: Tensor | None = None, *_: Any, **options: Any) -> Tensor:
        parts, stream = self.parts, self.stream
        x, packed = stream.enter(self.layer, hidden_states, attention_mask)
        places = None if packed is None else packed.places
        weights, after_attention, after_feed_forward = (Noise(rate.now(), places) for rate in parts.rates)
        width = hidden_states.shape[-1]
        batch, time = hidden_states.shape[:2] if packed is None else (len(packed.starts) - 1, packed.time)
        shape = AttentionShape(batch, time, parts.heads, width // parts.heads)
        starts, bias = (packed.starts, None) if packed is not None else (None, stream.bias())
        attention = Attention(bias, shape, parts.scale, weights, starts)
        found = whole_layer(x, parts, attention, (after_attention, after_feed_forward), self.by)
        if found is None:
            found = attention_half(x, parts.attention, attention, after_attention, self.by)
            found = feed_forward_half(found, parts.feed_forward, parts.activation, after_feed_forward, self.by)
        return stream.leave(self.layer, found, hidden_states.shape)


def _layers(model: nn.Module) -> Iterator[tuple[nn.Module, Any]]:
    """Modules of transformers that hold attention and feed-forward, outermost only, with their configuration."""
    for owner in model.modules():
        if not isinstance(owner, PreTrainedModel):
            continue
        for module in owner.modules():
            children = dict(module.named_children())
            if "attention" in children and len(children) > 1 and not isinstance(module, PreTrainedModel):
                yield module, owner.config
        return


def _difference(layer: nn.Module, parts: Layer, by: Between) -> float:
    """Between the fast and the plain form of a layer, in evaluation mode, on random states and a mask."""
    width = parts.attention.norm.normalized_shape[0]
    generator = torch.Generator().manual_seed(0)
    states = torch.randn((2, 5, width), generator=generator)
    mask = torch.zeros((2, 1, 5, 5))  # to be added, which every attention of transformers understands
    mask[1, :, :, 3:] = torch.finfo(torch.float32).min
    training = {module: module.training for module in layer.modules()}
    layer.eval()
    try:
        with torch.no_grad():
            plain = layer(states, mask)
            fast = _FastLayer(layer, parts, Stream(), by)(states, mask)
    finally:
        for module, was in training.items():
            module.training = was
    first = plain[0] if isinstance(plain, tuple) else plain
    return float((first - fast).abs().max())
