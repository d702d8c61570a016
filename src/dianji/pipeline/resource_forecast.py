"""Forecasts the memory and the disk space of a stage before its weights are loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil
import pyarrow as pa
import torch
from torch import nn

from dianji.engine.batches import BatchOrder, Size, in_order, size_of
from dianji.engine.evaluation import EXAMPLES, TOKENS
from dianji.engine.fast_layers import special_tokens, table_shrinks
from dianji.engine.forecast import MIB, Forecast, Load, forecast, foreseen_graph_split
from dianji.engine.frozen.graph_split import GraphSplit, SizedBatch
from dianji.engine.frozen.shapes import NotSplittable
from dianji.engine.frozen.state_store import CHECKED, predicted_size
from dianji.engine.frozen.states import extent
from dianji.engine.learn import on_the_disk, require_settled
from dianji.engine.runtime import choose_precision
from dianji.errors import DianjiError
from dianji.kernels.layers.fast import likely_fast_layers
from dianji.kernels.layers.table import rows_that_occur, word_table
from dianji.pipeline.plan import Work
from dianji.pipeline.stage_preview import FIRST, StagePreview
from dianji.reporting import Reporter
from dianji.tasks.base import Batch

#: Of an architecture that fake tensors do not carry: a forecast is not worth a run.
_UNTOLD = (DianjiError, RuntimeError, ValueError, TypeError, AttributeError, KeyError)


def forecast_stage(work: Work, seen: StagePreview | None = None) -> Forecast | None:
    """The forecast of a stage on a CPU; None where it is not possible, or where the memory of a GPU counts."""
    if torch.cuda.is_available():
        return None
    try:
        with _load(seen or StagePreview.of(work)) as load:
            return forecast(load, psutil.Process().memory_info().rss / MIB)
    except _UNTOLD:
        return None


def memory_note(work: Work, reporter: Reporter) -> str:
    """``, about 1,754 MB``, for the line that begins a stage; warns of a shortage."""
    foreseen = forecast_stage(work)
    if foreseen is None:
        return ""
    if warning := shortage(work.name, foreseen):
        reporter.warn(warning)
    return f", about {foreseen.total:,.0f} MB"


def shortage(stage: str, foreseen: Forecast) -> str | None:
    """A warning if less memory is free than the forecast."""
    free = psutil.virtual_memory().available / MIB + psutil.Process().memory_info().rss / MIB
    if foreseen.total <= free:
        return None
    parts = {field.name: getattr(foreseen, field.name) for field in dataclasses.fields(foreseen)}
    listed = ", ".join(f"{name} {value:,.0f}" for name, value in parts.items())
    return (
        f"{stage}: will take about {foreseen.total:,.0f} MB ({listed}), and {free:,.0f} MB are free. Lower "
        "train.batch_size and raise train.accumulate, use gradient_checkpointing: true, a shorter task length, or "
        "adapt: lora."
    )


def cache_size(seen: StagePreview) -> int | None:
    """Bytes of frozen states that a stage will store; None where it stores none, or without a forecast."""
    work = seen.work
    if not on_the_disk(work.train, to_the_optimum=work.to_the_optimum) or seen.first.num_rows < CHECKED:
        return None
    try:
        model = seen.model().model
        require_settled(model, seen.task, work.train)
        cut = foreseen_graph_split(model, _probes(seen), bf16=choose_precision(work.train.precision) != "fp32")
        return sum(_size(seen, cut, split) for split in ("train", "validation") if split in work.data.splits)
    except (NotSplittable, *_UNTOLD):
        return None


def _probes(seen: StagePreview) -> tuple[SizedBatch, SizedBatch]:
    """Three of the shortest of the first examples, and two of the longest."""
    lengths = seen.first["length"].to_numpy()
    order = np.argsort(lengths, kind="stable")
    few, long = (
        SizedBatch(seen.collate(rows, "train"), extent(lengths, rows)) for rows in (order[[0] * 3], order[[-1] * 2])
    )
    return few, long


def _size(seen: StagePreview, cut: GraphSplit, split: str) -> int:
    if cut.ragged:
        sample = seen.samples[split]
        return round(predicted_size(cut, sample.examples["length"].to_numpy()) * sample.of / sample.rows)
    looked: int = min(FIRST, seen.work.data.splits["train"].num_rows)
    rows: int = seen.work.data.splits[split].num_rows
    examples = rows * len(seen.first) / looked
    return round(predicted_size(cut, np.ones(1, dtype=np.int32)) * examples)


@contextmanager
def _load(seen: StagePreview) -> Iterator[Load]:
    """The load; within the block what the parts of a step share runs once."""
    examples, train = seen.first, seen.work.train
    lengths, units = examples["length"].to_numpy(), seen.task.units(examples)
    size = size_of(train, "cpu", coupled=seen.task.couples_examples)
    course = BatchOrder(lengths, size, train.accumulate, seen.work.seed, units=units)
    heaviest = max((batch for step in course.steps(0) for batch in step), key=lambda batch: course.tokens([batch]))
    model = seen.model().model
    evaluations = _evaluations(seen, model) if "validation" in seen.work.data.splits else []
    bf16 = choose_precision(train.precision) == "bf16"
    plain = train.fast_layers == "off" or train.compile == "on" or train.gradient_checkpointing
    likely = likely_fast_layers(model)
    varied = len(set(lengths.tolist())) > 1
    fast, packed = likely.fast and not plain, likely.packed and bf16 and not plain
    idle = _idle(seen, model)
    with seen.task.running(model, seen.collate(heaviest, "train")) as steps:
        yield Load(model, steps, evaluations, train.optimizer, bf16, varied, fast, packed, idle)


def _evaluations(seen: StagePreview, model: nn.Module) -> list[tuple[nn.Module, Batch]]:
    """The largest batch of each part: parts are evaluated one after the other."""
    found = []
    for share in seen.task.shares(model, seen.first).values():
        lengths = share.examples["length"].to_numpy()
        size = Size(tokens=TOKENS["cpu"]) if int(lengths.max(initial=1)) > 1 else Size(examples=EXAMPLES)
        rows = share.examples.take(pa.array(in_order(lengths, size)[0]))
        batch = share.task.collate(rows, seen.base, np.random.default_rng(0), purpose="score")
        found.append((share.model, batch))
    return found


def _idle(seen: StagePreview, model: nn.Module) -> int:
    """Numbers in word vectors that occur in none of the first examples, if the optimiser will not see them."""
    if seen.work.train.fast_layers == "off" or not table_shrinks(seen.work.train.optimizer.name, seen.task):
        return 0
    rows = rows_that_occur(model, seen.first, special_tokens(seen.base))
    table = word_table(model)
    return 0 if rows is None or table is None else (len(table.weight) - len(rows)) * table.embedding_dim
