"""The course of training: loss and validation score over the steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dianji.report.blocks import Block, Figure, Words
from dianji.report.plots import Curve, curves
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.report.wording import both, named, number

_STEP = Words("optimiser steps", "优化步数")
#: Points of a curve; more are not seen, and make the page large.
_MOST = 400


def tell(subject: Subject) -> Sequence[Block] | None:
    """From ``evidence/events.jsonl``; nothing for a model that was not trained."""
    steps = [event for event in subject.events if event["event"] == "step"]
    evaluations = [event for event in subject.events if event["event"] == "evaluation"]
    figures: list[Block] = []
    if len(steps) > 1:
        figures.append(_loss([event["step"] for event in steps], [event["loss"] for event in steps]))
    if subject.primary and (scored := [event for event in evaluations if subject.primary in event]):
        figures.append(
            _score(subject.primary, [event["step"] for event in scored], [event[subject.primary] for event in scored])
        )
    return figures or None


def _loss(steps: Sequence[int], losses: Sequence[float]) -> Figure:
    """Single steps behind their moving average over a twentieth of the run."""
    window = max(1, len(losses) // 20)
    kernel = np.ones(window) / window
    smooth = np.convolve(losses, kernel, mode="valid")
    middle = np.convolve(steps, kernel, mode="valid")
    caption = Words(
        f"Training loss; the strong line is the mean over {window} steps", f"训练损失；粗线是 {window} 步的滑动平均"
    )
    first, last = number(float(smooth[0])), number(float(smooth[-1]))
    alt = Words(f"Training loss from {first} to {last}", f"训练损失从 {first} 到 {last}")
    drawing = curves([_curve(steps, losses, faint=True), _curve(middle, smooth)], _STEP, Words("loss", "损失"))
    return Figure(drawing, caption, alt)


def _score(metric: str, steps: Sequence[int], values: Sequence[float]) -> Figure:
    name = both(named(metric))
    drawing = curves([_curve(steps, values)], _STEP, name)
    caption = Words(f"{name.en} on validation while training", f"训练过程中验证集上的{name.zh}")
    span = f"{number(values[0])} … {number(values[-1])}"
    return Figure(drawing, caption, Words(f"{caption.en}: {span}", f"{caption.zh}：{span}"))


def _curve(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, *, faint: bool = False) -> Curve:
    every = -(-len(x) // _MOST)
    return Curve(list(x[::every]), list(y[::every]), faint)


CURVES = Section(Words("Learning curves", "学习曲线"), tell)
