"""Which fast layers a stage trains with: decided by its recipe, its optimiser and its task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from dianji.bases.base import Base
from dianji.kernels.layers.fast import FastLayers, find_fast_layers
from dianji.kernels.layers.table import shrink_table
from dianji.registry import REGISTRY
from dianji.sharded import is_sharded
from dianji.tasks.base import Task

if TYPE_CHECKING:
    from dianji.engine.job import Job
    from dianji.engine.runtime import Runtime


def fast_layers_of(job: Job, runtime: Runtime) -> FastLayers:
    """The fast layers of a stage's model; call it before the optimiser is made, which must see the smaller table."""
    if job.train.fast_layers == "off":
        return FastLayers()
    model: nn.Module = job.model.model
    if any(is_sharded(parameter) for parameter in model.parameters()):
        return FastLayers(description="none, the weights are divided among processes")
    if job.train.compile == "on":
        found = FastLayers(description="none, the model is compiled")
    elif job.train.gradient_checkpointing:  # which wraps the forward pass that a fast layer replaces
        found = FastLayers(description="none, activations are computed again")
    elif runtime.device.type == "cuda" and runtime.precision == "fp32":
        found = FastLayers(description="none on cuda in fp32")
    else:
        found = find_fast_layers(model, runtime.device)
    if table_shrinks(job.train.optimizer.name, job.task):
        found.table = shrink_table(model, job.examples, special_tokens(job.base))
    if found.table is not None:
        found.description += f"; {len(found.table.weight):,} of {found.table.rows_before:,} word vectors occur"
    return found


def table_shrinks(optimizer: str, task: Task) -> bool:
    """Whether word vectors that do not occur never move: each by itself, and nothing is masked at random."""
    return getattr(REGISTRY.get("optimizer", optimizer), "elementwise", False) and not task.random_batches


def special_tokens(base: Base) -> set[int]:
    """Which any batch may hold."""
    known = [*getattr(base.processor, "all_special_ids", []), getattr(base.config, "pad_token_id", None)]
    return {0, *(token for token in known if token is not None)}
