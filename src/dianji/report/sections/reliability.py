"""The reliability of confidences: the share of right answers at each confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dianji.evaluate.metric import Estimate
from dianji.evaluate.metrics.probability import ExpectedCalibrationError, bins_of
from dianji.evaluate.outcome import Decisions
from dianji.evaluate.proportion import wilson
from dianji.report.blocks import Block, Figure, Table, Words
from dianji.report.plots import Span, reliability
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.report.wording import INTERVAL, both, interval, named, percent


@dataclass(frozen=True)
class Bin:
    """Decisions of about the same confidence."""

    confidence: float  # their mean
    right: Estimate


def tell(subject: Subject) -> Sequence[Block] | None:
    """From the record of the held-out rows; nothing for models that give no probabilities of labels."""
    outcome = subject.record.outcome if subject.record else None
    decisions = outcome.decisions() if outcome else None
    if decisions is None or subject.split is None:
        return None
    found = bins(decisions)
    return [_figure(found, both(named(subject.split))), _table(found)]


def bins(decisions: Decisions) -> list[Bin]:
    """The bins with decisions, of the equal widths that the expected calibration error uses."""
    confidence, right = (of.ravel() for of in decisions)
    number = bins_of(confidence, ExpectedCalibrationError.BINS)
    groups = [np.flatnonzero(number == which) for which in np.unique(number)]
    return [Bin(float(confidence[of].mean()), wilson(int(right[of].sum()), len(of))) for of in groups]


def _figure(found: Sequence[Bin], split: Words) -> Figure:
    caption = Words(
        f"How often the model is right on {split.en} at each confidence. Above the dashed line it is more often right "
        "than it says, below it less often; lines are 95 % intervals",
        f"{split.zh}上，模型在各个置信度下的实际正确率。虚线以上表示比它所说的更准，以下表示更不准；竖线是 95% 区间",
    )
    surest = found[-1]
    said, was = percent(surest.confidence), percent(surest.right.value)
    alt = Words(
        f"Where the model is surest ({said} on average) it is right in {was} of {surest.right.n:,} decisions",
        f"模型最有把握时（平均 {said}），{surest.right.n:,} 个判断中有 {was} 正确",
    )
    spans = [Span("", of.right.value, of.right.low, of.right.high) for of in found]
    across, up = Words("confidence", "置信度"), Words("share that is right", "正确的比例")
    return Figure(reliability(spans, [of.confidence for of in found], across, up), caption, alt)


def _table(found: Sequence[Bin]) -> Table:
    header = (
        Words("mean confidence", "平均置信度"),
        Words("decisions", "判断数"),
        Words("right", "正确"),
        INTERVAL,
    )
    rows = tuple(
        (percent(of.confidence), f"{of.right.n:,}", percent(of.right.value), interval(of.right.to_json()))
        for of in found
    )
    return Table(Words("Confidence and how often it holds", "置信度与实际正确率"), header, rows, frozenset(range(4)))


RELIABILITY = Section(Words("Reliability", "可靠性"), tell)
