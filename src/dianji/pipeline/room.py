"""Whether a stage has room in this machine's memory told before its weights are loaded."""

from __future__ import annotations

import dataclasses

import psutil
import torch

from dianji.engine.batches import Course, Size, in_order
from dianji.engine.evaluation import EXAMPLES, TOKENS
from dianji.engine.forecast import MIB, Forecast, Load, forecast
from dianji.engine.lean.path import looks_lean
from dianji.engine.runtime import choose_precision
from dianji.errors import DianjiError
from dianji.pipeline.glimpse import Glimpse
from dianji.pipeline.plan import Work
from dianji.reporting import Reporter

#: Of an architecture that fake tensors do not carry: a forecast is not worth a run.
_UNTOLD = (DianjiError, RuntimeError, ValueError, TypeError, AttributeError, KeyError)


def foresee(work: Work, seen: Glimpse | None = None) -> Forecast | None:
    """What the stage will take, on a CPU; None where it cannot be told, or where a GPU's memory is what counts."""
    if torch.cuda.is_available():
        return None
    try:
        return forecast(_load(seen or Glimpse.of(work)), psutil.Process().memory_info().rss / MIB)
    except _UNTOLD:
        return None


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


def _load(seen: Glimpse) -> Load:
    examples, train = seen.first, seen.work.train
    lengths = examples["length"].to_numpy()
    course = Course(lengths, Size(train.batch_size, train.batch_tokens), train.accumulate, seen.work.seed)
    heaviest = max((batch for step in course.steps(0) for batch in step), key=lambda batch: course.tokens([batch]))
    size = Size(tokens=TOKENS["cpu"]) if int(lengths.max(initial=1)) > 1 else Size(examples=EXAMPLES)
    validated = "validation" in seen.work.data.splits
    evaluated = seen.collate(in_order(lengths, size)[0], training=False) if validated else None
    model = seen.model().model
    bf16 = choose_precision(train.precision) == "bf16"
    plain = train.lean == "off" or train.compile == "on" or train.gradient_checkpointing
    lean = not plain and looks_lean(model)
    varied = len(set(lengths.tolist())) > 1
    return Load(model, seen.collate(heaviest, training=True), evaluated, train.optimizer, bf16, varied, lean)
