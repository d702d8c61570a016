"""Whether a stage has room in this machine's memory, told before its weights are loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import psutil
import pyarrow as pa
import torch

from dianji.bases.base import BaseSource
from dianji.engine.batches import Course, Size, in_order, size_of
from dianji.engine.evaluation import EXAMPLES, TOKENS
from dianji.engine.forecast import MIB, Forecast, Load, forecast
from dianji.engine.lean.path import looks_lean
from dianji.engine.recomputing import recompute_activations
from dianji.engine.runtime import choose_precision
from dianji.errors import DianjiError
from dianji.pipeline.plan import Work
from dianji.reporting import Reporter
from dianji.results import Plan

#: Rows whose lengths stand for all.
ROWS = 2000


def foresee(work: Work) -> Forecast | None:
    """What the stage will take, on a CPU; None where it cannot be told, or where a GPU's memory is what counts."""
    if torch.cuda.is_available():
        return None
    try:
        return forecast(_load(work), psutil.Process().memory_info().rss / MIB)
    except (DianjiError, RuntimeError, ValueError, TypeError, AttributeError, KeyError):
        return None  # an architecture that fake tensors do not carry: a forecast is not worth a run


def with_room(plan: Plan, works: Sequence[Work]) -> Plan:
    """The plan with what each stage that is to be run will take, and a warning where that is too much."""
    stages, warnings = [], list(plan.warnings)
    for stage, work in zip(plan.stages, works, strict=True):
        foreseen = None if stage.state == "done" else foresee(work)
        stages.append(stage if foreseen is None else dataclasses.replace(stage, memory_mb=round(foreseen.total)))
        if foreseen is not None and (warning := shortage(stage.name, foreseen)):
            warnings.append(warning)
    return dataclasses.replace(plan, stages=tuple(stages), warnings=tuple(warnings))


def announced(work: Work, reporter: Reporter) -> str:
    """``, about 1,754 MB``, for the line that begins a stage; warns where that is too much."""
    foreseen = foresee(work)
    if foreseen is None:
        return ""
    if warning := shortage(work.name, foreseen):
        reporter.warn(warning)
    return f", about {foreseen.total:,.0f} MB"


def shortage(stage: str, foreseen: Forecast) -> str | None:
    """A warning, where there is less memory than that."""
    free = psutil.virtual_memory().available / MIB + psutil.Process().memory_info().rss / MIB
    if foreseen.total <= free:
        return None
    parts = {field.name: getattr(foreseen, field.name) for field in dataclasses.fields(foreseen)}
    told = ", ".join(f"{name} {value:,.0f}" for name, value in parts.items())
    return (
        f"{stage}: will take about {foreseen.total:,.0f} MB ({told}), and {free:,.0f} MB are free. Lower "
        "train.batch_size and raise train.accumulate, use gradient_checkpointing: true, a shorter task length, or "
        "adapt: lora."
    )


def _load(work: Work) -> Load:
    table = work.data.splits["train"]
    task = work.task.fit(table)
    base = _source(work).prepare(table.slice(0, ROWS))
    examples = task.encode(table.slice(0, ROWS), base)
    lengths, train = examples["length"].to_numpy(), work.train

    def collate(rows: np.ndarray, *, training: bool) -> dict[str, torch.Tensor]:
        return task.collate(examples.take(pa.array(rows)), base, np.random.default_rng(0), training=training)

    course = Course(lengths, size_of(train, "cpu"), train.accumulate, work.seed)
    heaviest = max((batch for step in course.steps(0) for batch in step), key=lambda batch: course.tokens([batch]))
    size = Size(tokens=TOKENS["cpu"]) if int(lengths.max(initial=1)) > 1 else Size(examples=EXAMPLES)
    evaluated = collate(in_order(lengths, size)[0], training=False) if "validation" in work.data.splits else None
    with torch.device("meta"):
        model = task.model(dataclasses.replace(base, folder=None, new_weights=[]))
        work.adaptation.attach(model)
    if train.gradient_checkpointing:
        recompute_activations(model.model)
    bf16 = choose_precision(train.precision) == "bf16"
    plain = train.lean == "off" or train.compile == "on" or train.gradient_checkpointing
    lean = not plain and looks_lean(model.model)
    varied = len(set(lengths.tolist())) > 1
    return Load(model.model, collate(heaviest, training=True), evaluated, train.optimizer, bf16, varied, lean)


def _source(work: Work) -> BaseSource:
    """What the first of the stages before it starts from has the same shape."""
    while work.parent is not None:
        work = work.parent
    if work.source is None:
        raise ValueError(f"stage {work.name} starts from nothing")
    return work.source
