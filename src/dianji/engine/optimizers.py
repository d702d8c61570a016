"""Optimizers: torch's own, with hyper-parameters as arguments. Learning rate and weight decay come in the groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import torch
from pydantic import Field

from dianji.errors import CapabilityError
from dianji.kernels.native.adamw import CompiledAdamW, knows
from dianji.registry import component

#: Parameter groups as torch takes them: ``params``, ``lr``, ``weight_decay`` and keys of their maker.
Groups = list[dict[str, Any]]

Decay = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class Optimizer(Protocol):
    """A frozen dataclass of hyper-parameters."""

    #: What full fine-tuning gets unless a recipe says otherwise; None: what suits Adam on the same base.
    default_learning_rate: ClassVar[float | None]
    #: Whether each number moves by its own gradients alone, so that one which never has a gradient never moves.
    elementwise: ClassVar[bool]

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """The torch optimizer over ``groups``."""
        ...


@component("optimizer", "adamw")
@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019, arXiv:1711.05101)."""

    default_learning_rate: ClassVar[float | None] = None
    elementwise: ClassVar[bool] = True

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: Positive = 1e-8

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """Compiled for this machine where it can be, else fused where the device has the kernel."""
        if knows(_weights(groups)):
            return CompiledAdamW(groups, betas=self.betas, eps=self.eps)
        return torch.optim.AdamW(groups, betas=self.betas, eps=self.eps, fused=_fused(groups))


@component("optimizer", "adam")
@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba, 2015, arXiv:1412.6980); weight decay is an L2 term in the gradient."""

    default_learning_rate: ClassVar[float | None] = None
    elementwise: ClassVar[bool] = True

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: Positive = 1e-8

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """Fused where the device has the kernel."""
        return torch.optim.Adam(groups, betas=self.betas, eps=self.eps, fused=_fused(groups))


@component("optimizer", "adamw-8bit")
@dataclass(frozen=True)
class AdamW8bit:
    """AdamW that remembers a quarter as much: moments of large weights in 8 bits, by blocks (arXiv:2110.02861).

    Saves six bytes for each weight that learns (of sixteen, with weight and gradient). Needs the extra ``memory``.
    """

    default_learning_rate: ClassVar[float | None] = None
    elementwise: ClassVar[bool] = False  # neighbours share the scale of their block

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: Positive = 1e-8

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """By torchao.

        Raises:
            CapabilityError: torchao is not installed.
        """
        try:
            from dianji.engine.eight_bit import EightBitAdamW
        except ImportError as error:
            raise CapabilityError(
                f'optimizer adamw-8bit needs torchao ({error}). Install it with `pip install "dianji[memory]"`, or use '
                "adamw, or adafactor, which remembers less too."
            ) from error
        made: torch.optim.Optimizer = EightBitAdamW(groups, betas=self.betas, eps=self.eps)
        return made


@component("optimizer", "sgd")
@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent with (Nesterov) momentum (Sutskever et al., 2013)."""

    default_learning_rate: ClassVar[float | None] = 0.01
    elementwise: ClassVar[bool] = True

    momentum: Decay = 0.9
    nesterov: bool = False

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """Fused where the device has the kernel. Nesterov without momentum is plain descent."""
        nesterov = self.nesterov and self.momentum > 0
        return torch.optim.SGD(groups, momentum=self.momentum, nesterov=nesterov, fused=_fused(groups))


@component("optimizer", "adafactor")
@dataclass(frozen=True)
class Adafactor:
    """Second moments as products of rows and columns, little memory (Shazeer & Stern, 2018, arXiv:1804.04235).

    A step is the learning rate times the size (RMS) of the weights it moves, so that the rate is a relative one.
    """

    default_learning_rate: ClassVar[float | None] = 0.005
    elementwise: ClassVar[bool] = False  # moments are shared by rows and columns

    beta2_decay: Annotated[float, Field(lt=0)] = -0.8
    clip_threshold: Annotated[float, Field(ge=1)] = 1.0  # largest RMS of an update before the rate

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """One tensor after the other: the many-tensor kernel would hold all full updates at once."""
        return torch.optim.Adafactor(groups, beta2_decay=self.beta2_decay, d=self.clip_threshold, foreach=False)


@component("optimizer", "adagrad")
@dataclass(frozen=True)
class Adagrad:
    """Rates fall with the sum of squared gradients, for sparse features (Duchi et al., 2011)."""

    default_learning_rate: ClassVar[float | None] = 0.01
    elementwise: ClassVar[bool] = True

    initial_accumulator: Annotated[float, Field(ge=0)] = 0.0
    eps: Positive = 1e-10

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """Fused on the CPU and on CUDA."""
        start = self.initial_accumulator
        fused = _fused(groups, {"cpu", "cuda"})
        return torch.optim.Adagrad(groups, initial_accumulator_value=start, eps=self.eps, fused=fused)


@component("optimizer", "adadelta")
@dataclass(frozen=True)
class Adadelta:
    """Steps in the units of the weights; the learning rate is a factor near 1 (Zeiler, 2012, arXiv:1212.5701)."""

    default_learning_rate: ClassVar[float | None] = 1.0
    elementwise: ClassVar[bool] = True

    rho: Decay = 0.9
    eps: Positive = 1e-6

    def build(self, groups: Groups) -> torch.optim.Optimizer:
        """Torch has no fused kernel for it."""
        return torch.optim.Adadelta(groups, rho=self.rho, eps=self.eps)


def _fused(groups: Groups, devices: frozenset[str] | set[str] = frozenset({"cpu", "cuda", "mps", "xpu"})) -> bool:
    """Whether every weight is a real floating number on a device that has the fused kernel."""
    return all(weight.is_floating_point() and weight.device.type in devices for weight in _weights(groups))


def _weights(groups: Groups) -> list[torch.Tensor]:
    return [weight for group in groups for weight in group["params"]]


def clip(optimizer: torch.optim.Optimizer, parameters: Sequence[torch.Tensor], most: float) -> None:
    """Let the next step count gradients so that the norm of all of them is at most ``most``."""
    plain = getattr(optimizer, "optimizer", optimizer)  # as accelerate wraps it
    if isinstance(plain, CompiledAdamW):
        plain.clip(most)
    else:
        torch.nn.utils.clip_grad_norm_(parameters, most)
