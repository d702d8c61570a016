"""Weights sharded among processes (FSDP; Zhao et al., 2023, arXiv:2304.11277), so that a model need not fit into one.

Each process holds a part of every weight, with its gradient and its optimiser state. A block's weights are brought
together while the block computes, and its gradients are summed and divided again in the backward pass.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from dianji.sharded import whole


def shard(model: nn.Module, count: int) -> nn.Module:
    """Shard a model's weights among ``count`` processes, in place; returns the argument of ``gather``, which undoes it.

    Args:
        model: on its device, the same in every process.
        count: all processes.
    """
    skeleton = _without_weights(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.contiguous()  # channels last cannot be divided
    device = next(model.parameters()).device.type
    mesh = init_device_mesh(device, (count,))
    for block in [*_blocks(model), model]:
        # Divided again after every forward pass, the whole model too: an evaluation, which no backward pass follows,
        # would leave its weights together, and techniques that put other weights in for it would not be seen.
        fully_shard(block, mesh=mesh, reshard_after_forward=True)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # Sums, since losses are sums over items; said in two ways, since Gloo cannot scale while it sums.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    return skeleton


def gather(model: nn.Module, skeleton: nn.Module, *, keep: bool) -> None:
    """Inverse of ``shard``, in place. All processes must take part; only those that ``keep`` get the weights."""
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
    buffers = dict(model.named_buffers())
    made: dict[int, nn.Parameter] = {}
    for name, empty in skeleton.named_parameters():
        full = whole(weights[name])
        made[id(empty)] = nn.Parameter(full if keep else empty.data, requires_grad=empty.requires_grad)
    for module in skeleton.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            module.register_parameter(name, made[id(parameter)])
    for name, buffer in skeleton.named_buffers():
        buffer.copy_(buffers[name])
    training = model.training
    model.__class__ = skeleton.__class__
    model.__dict__ = skeleton.__dict__
    model.train(training)


def _without_weights(model: nn.Module) -> nn.Module:
    """A copy whose parameters take no memory; tied ones stay tied."""
    empty: dict[int, Any] = {
        id(parameter): nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=parameter.requires_grad)
        for parameter in model.parameters()
    }
    return copy.deepcopy(model, empty)


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """The modules of the outermost lists: a transformer's layers, a residual network's stages."""
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from (block for block in child if any(True for _ in block.parameters()))
        else:
            yield from _blocks(child)
