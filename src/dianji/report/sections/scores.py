"""The scores of the model: every metric with its interval, beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dianji.evaluate.joint import SEPARATOR
from dianji.registry import REGISTRY
from dianji.report.blocks import Block, Figure, Paragraph, Table, Text, Words
from dianji.report.plots import Span, spans
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.report.wording import INTERVAL, both, interval, named, number

#: Split -> metric -> estimate, as ``evidence/metrics.json`` has it.
Estimates = Mapping[str, Mapping[str, Mapping[str, Any]]]


def tell(subject: Subject) -> Sequence[Block] | None:
    """A figure of the primary metric, a verdict in words, and a table for each held-out split."""
    split, primary = subject.split, subject.primary
    if split is None or primary is None:
        return None
    metrics: Estimates = subject.measured["metrics"]
    baselines: Mapping[str, Estimates] = subject.measured.get("baselines", {})
    blocks: list[Block] = []
    compared = {name: of[split][primary] for name, of in baselines.items() if primary in of.get(split, {})}
    if compared:
        model = metrics[split][primary]
        blocks += [Paragraph(_verdict(primary, model, compared)), _figure(primary, split, model, compared)]
    blocks += [_table(split, metrics[split], baselines) for split in (split, *(set(metrics) - {split}))]
    how = Words(
        "Intervals are 95 % percentile bootstrap over the rows of the split: they say how the figure would vary with "
        "other rows of the same kind, not with other seeds or other data.",
        "区间是对该集合的行做自助法（bootstrap）得到的 95% 百分位区间："
        "说明换一批同类的行时数字会怎样变动，不包括换随机种子或换数据的影响。",
    )
    counted = [
        Paragraph(Words(f"How {both(named(name)).en} was counted: {text}", f"{both(named(name)).zh}的计法：{text}"))
        for name, text in subject.measured.get("signatures", {}).items()
    ]
    return [*blocks, Paragraph(how), *counted]


def _verdict(primary: str, model: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> Words:
    """States that the model is better only where the intervals do not overlap."""
    higher = _higher_is_better(primary)
    sign = 1 if higher else -1
    best = max(baselines, key=lambda name: sign * baselines[name]["value"])
    (bad, good) = ("low", "high") if higher else ("high", "low")
    metric, name = both(named(primary)), both(named(best))
    if sign * model[bad] > sign * baselines[best][good]:
        return Words(
            f"In {metric.en} the model is better than its best baseline ({name.en}): their intervals do not touch.",
            f"按{metric.zh}，模型好于最好的基线（{name.zh}）：两者的区间不相交。",
        )
    return Words(
        f"In {metric.en} the intervals of the model and of its best baseline ({name.en}) overlap: these figures alone "
        "do not show that it is better.",
        f"按{metric.zh}，模型与最好的基线（{name.zh}）的区间有重叠：仅凭这些数字不能说它更好。",
    )


def _higher_is_better(metric: str) -> bool:
    return bool(REGISTRY.get("metric", metric.rpartition(SEPARATOR)[2]).higher_is_better)


def _figure(primary: str, split: str, model: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> Figure:
    values = [_span(Words("this model", "本模型"), model, strong=True)]
    values += [_span(named(name), of, strong=False) for name, of in baselines.items()]
    metric, of = both(named(primary)), both(named(split))
    caption = Words(f"{metric.en} on {of.en}, with 95 % intervals", f"{of.zh}上的{metric.zh}，附 95% 区间")
    english = "; ".join(f"{both(span.name).en} {number(span.value)}" for span in values)
    chinese = "；".join(f"{both(span.name).zh} {number(span.value)}" for span in values)
    return Figure(spans(values, named(primary)), caption, Words(f"{caption.en}: {english}", f"{caption.zh}：{chinese}"))


def _span(name: Text, estimate: Mapping[str, Any], *, strong: bool) -> Span:
    return Span(name, estimate["value"], estimate["low"], estimate["high"], strong)


def _table(split: str, metrics: Mapping[str, Mapping[str, Any]], baselines: Mapping[str, Estimates]) -> Table:
    others = list(baselines.values())
    rows = [_row(name, of, [other.get(split, {}).get(name) for other in others]) for name, of in metrics.items()]
    count = max((of["n"] for of in metrics.values()), default=0)
    title = both(named(split))
    return Table(
        Words(f"Scores on {title.en} ({count:,} rows)", f"{title.zh}上的成绩（{count:,} 行）"),
        (Words("metric", "指标"), Words("this model", "本模型"), INTERVAL, *(named(name) for name in baselines)),
        tuple(rows),
        frozenset(range(1, 3 + len(baselines))),
    )


def _row(name: str, model: Mapping[str, Any], others: Sequence[Mapping[str, Any] | None]) -> tuple[Text, ...]:
    cells = [f"{number(of['value'])} ({interval(of)})" if of else "" for of in others]
    return named(name), number(model["value"]), interval(model), *cells


SCORES = Section(Words("Scores", "成绩"), tell)
