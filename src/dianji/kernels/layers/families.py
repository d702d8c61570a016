"""Where the parts of an encoder layer lie, architecture by architecture.

A family is a description, not code: paths of the layer's modules. A layer fits if it is of a known class and every part
is a plain module, so that a subclass, a quantised or a doubly adapted layer is left as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dianji.kernels.layers.between import Activation
from dianji.kernels.layers.blocks import Half
from dianji.kernels.layers.products import LowRank, Part, Product


@dataclass(frozen=True)
class Family:
    """Layers that are built alike.

    Paths start at the layer. ``rates`` are the dropouts of the attention's weights, of its output and of the
    feed-forward's output: a module, or a number that counts while the module around it is in training mode.
    """

    layers: re.Pattern[str]  # of class names in transformers' modules
    query: str
    key: str
    value: str
    output: str
    up: str
    down: str
    norms: tuple[str, str]
    norm_first: bool
    attention: str  # holds the number of heads
    rates: tuple[str, str, str]


FAMILIES = (
    Family(
        layers=re.compile(r"(Bert|Roberta|XLMRoberta|XLMRobertaXL|Camembert|Electra|Ernie|Data2VecText|RoCBert)Layer"),
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        output="attention.output.dense",
        up="intermediate.dense",
        down="output.dense",
        norms=("attention.output.LayerNorm", "output.LayerNorm"),
        norm_first=False,
        attention="attention.self",
        rates=("attention.self.dropout", "attention.output.dropout", "output.dropout"),
    ),
    Family(
        layers=re.compile(r"TransformerBlock"),  # DistilBERT
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        output="attention.out_lin",
        up="ffn.lin1",
        down="ffn.lin2",
        norms=("sa_layer_norm", "output_layer_norm"),
        norm_first=False,
        attention="attention",
        rates=("attention.dropout", "", "ffn.dropout"),
    ),
    Family(
        layers=re.compile(r"(ViT|DeiT|ViTMSN)Layer"),
        query="attention.q_proj",
        key="attention.k_proj",
        value="attention.v_proj",
        output="attention.o_proj",
        up="mlp.fc1",
        down="mlp.fc2",
        norms=("layernorm_before", "layernorm_after"),
        norm_first=True,
        attention="attention",
        rates=("attention.attention_dropout", "dropout", "dropout"),
    ),
)

#: Activations by the name that configurations give them.
ACTIVATIONS = {
    "gelu": Activation(functional.gelu, torch.ops.aten.gelu_backward, is_gelu=True),
    "gelu_new": Activation(
        lambda x: functional.gelu(x, approximate="tanh"),
        lambda grad, x: torch.ops.aten.gelu_backward(grad, x, approximate="tanh"),
    ),
    "relu": Activation(functional.relu, lambda grad, x: torch.ops.aten.threshold_backward(grad, x, 0)),
    "silu": Activation(functional.silu, torch.ops.aten.silu_backward),
}
ACTIVATIONS["gelu_pytorch_tanh"] = ACTIVATIONS["gelu_new"]
ACTIVATIONS["swish"] = ACTIVATIONS["silu"]


@dataclass(frozen=True)
class Rate:
    """A dropout rate as it is now: what is in evaluation mode drops nothing."""

    module: nn.Module | None
    fixed: float | None = None

    def now(self) -> float:
        """In [0, 1)."""
        if self.module is None or not self.module.training:
            return 0.0
        return float(self.module.p) if self.fixed is None else self.fixed  # type: ignore[arg-type]  # of nn.Dropout


@dataclass(frozen=True)
class Layer:
    """The parts of one layer, ready to compute with."""

    attention: Half
    feed_forward: Half
    heads: int
    scale: float
    activation: Activation
    rates: tuple[Rate, Rate, Rate]

    @property
    def head_width(self) -> int:
        """Numbers that one head has of a token's query."""
        return len(self.attention.first.parts[0].weight) // self.heads

    @cached_property
    def is_common(self) -> bool:
        """Of the usual kind: normalised after both halves, with gelu and biases, and nothing added to a weight."""
        usual = self.activation.is_gelu and not self.attention.norm_first and not self.feed_forward.norm_first
        plain = (part.bias is not None and part.low_rank is None for product in self.products for part in product.parts)
        return usual and all(plain)

    @cached_property
    def parameters(self) -> list[Tensor]:
        """Of both halves."""
        return [*self.attention.parameters, *self.feed_forward.parameters]

    @cached_property
    def weights(self) -> list[Tensor]:
        """What of the parameters the backward pass reads again."""
        return [*self.attention.weights, *self.feed_forward.weights]

    @property
    def products(self) -> tuple[Product, ...]:
        """In the order in which they are computed."""
        return (self.attention.first, self.attention.last, self.feed_forward.first, self.feed_forward.last)


def parts_of(layer: nn.Module, config: Any) -> Layer | str:
    """The layer's parts, or why it does not fit."""
    name = type(layer).__name__
    of_transformers = type(layer).__module__.startswith("transformers.models.")
    family = next((one for one in FAMILIES if of_transformers and one.layers.fullmatch(name)), None)
    if family is None:
        return f"{name} is not among the architectures that have one"
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        return f"{name} is a decoder here"
    activation = ACTIVATIONS.get(str(getattr(config, "hidden_act", getattr(config, "activation", None))))
    if activation is None:
        return f"its activation is none of {', '.join(ACTIVATIONS)}"
    parts: dict[str, Part] = {}
    for role in ("query", "key", "value", "output", "up", "down"):
        found = _linear(layer, getattr(family, role))
        if isinstance(found, str):
            return found
        parts[role] = found
    norms = [_module(layer, path) for path in family.norms]
    if not all(type(norm) is nn.LayerNorm and norm.bias is not None for norm in norms):
        return f"{name} has another normalisation than LayerNorm"
    sizes = {role: tuple(parts[role].weight.shape) for role in ("query", "key", "value")}
    if len(set(sizes.values())) > 1:
        return f"{name} has queries, keys and values of different sizes"
    heads, width = int(config.num_attention_heads), sizes["query"][0]
    attention = _module(layer, family.attention)
    return Layer(
        attention=Half(
            Product([parts["query"], parts["key"], parts["value"]]),
            Product([parts["output"]]),
            norms[0],  # type: ignore[arg-type]  # told above
            family.norm_first,
        ),
        feed_forward=Half(
            Product([parts["up"]]),
            Product([parts["down"]]),
            norms[1],  # type: ignore[arg-type]  # told above
            family.norm_first,
        ),
        heads=heads,
        scale=float(getattr(attention, "scaling", (width // heads) ** -0.5)),
        activation=activation,
        rates=tuple(_rate(layer, path) for path in family.rates),  # type: ignore[arg-type]  # three of them
    )


def _module(layer: nn.Module, path: str) -> nn.Module | None:
    found: Any = layer
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, nn.Module) else None


def _rate(layer: nn.Module, path: str) -> Rate:
    """A dropout module, or a number beside it; an empty path is no dropout at all."""
    module = _module(layer, path) if path else None
    if module is not None or not path:
        return Rate(module)
    above, _, name = path.rpartition(".")
    around = _module(layer, above)
    return Rate(around, float(getattr(around, name, 0.0)))


def _linear(layer: nn.Module, path: str) -> Part | str:
    """A linear module, plain or with one active LoRA without dropout; else why not."""
    module = _module(layer, path)
    if type(module) is nn.Linear and not _has_hooks(module):
        return Part(module.weight, module.bias)
    base = getattr(module, "base_layer", None)
    if type(base) is not nn.Linear or not type(module).__module__.startswith("peft.tuners.lora"):
        return f"{path} is a {type(module).__name__}, not a plain linear layer"
    return _with_low_rank(module, base, path)


def _with_low_rank(module: Any, base: nn.Linear, path: str) -> Part | str:
    names = list(module.active_adapters)
    plain = len(names) == 1 and not module.merged and not module.use_dora.get(names[0], False)
    if not plain or names[0] not in module.lora_A or module.lora_bias.get(names[0], False):
        return f"{path} has another adapter than one plain LoRA"
    if not isinstance(module.lora_dropout[names[0]], nn.Identity):
        return f"{path} has LoRA with dropout"
    name = names[0]
    low = LowRank(module.lora_A[name].weight, module.lora_B[name].weight, float(module.scaling[name]))
    return Part(base.weight, base.bias, low)


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def pad_bias(mask: Tensor | None) -> Tensor | None:
    """What transformers made of the attention mask, as something to add to scores in fp32."""
    if mask is None or mask.is_floating_point():
        return mask if mask is None else mask.float()
    least = torch.finfo(torch.float32).min
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask.bool(), least)
