"""The chapter about a recipe's comparison: scores, costs, both in one figure, and the recommendation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dianji.comparison import Comparison, Difference, VariantResult
from dianji.report.blocks import Block, Chapter, Figure, Paragraph, Table, Text, Words
from dianji.report.plots import Span
from dianji.report.tradeoff import tradeoff
from dianji.report.wording import INTERVAL, both, interval, named, number

_TITLE = Words("Comparison", "比较")
_NOT_RUN = Words(
    "The variants have not been compared yet, as the recipe and its data are now: dianji compare does it.",
    "按现在的配方和数据，各变体尚未比较：运行 dianji compare 即可。",
)

_VERDICTS = {
    "better": Words("better", "更好"),
    "worse": Words("worse", "更差"),
    "not distinguishable": Words("not distinguishable", "无法区分"),
    "no verdict": Words("no verdict", "不作判断"),
}


def comparison_chapter(comparison: Comparison | None) -> Chapter:
    """The chapter of a recipe that compares variants; None: the comparison has not been run."""
    return Chapter(_TITLE, (Paragraph(_NOT_RUN),) if comparison is None else tuple(_blocks(comparison)))


def _blocks(comparison: Comparison) -> Iterator[Block]:
    finished = [variant for variant in comparison.variants if variant.score is not None]
    if comparison.recommendation is not None:
        yield Paragraph(Words.of(comparison.recommendation.message))
    yield _scores(comparison, finished)
    yield _figure(comparison, finished)
    yield _costs(finished)
    if comparison.recommendation is not None:
        by = Words.of(comparison.recommendation.rule)
        yield Paragraph(Words(f"The rule: {by.en}", f"推荐的规则：{by.zh}"))
    for variant in comparison.variants:
        if variant.failure is not None:
            failed = Words(f"'{variant.name}' failed {variant.failure}", f"“{variant.name}”运行失败：{variant.failure}")
            yield Paragraph(failed, note=True)
    for note in comparison.notes:
        yield Paragraph(Words.of(note), note=True)


def _scores(comparison: Comparison, finished: Sequence[VariantResult]) -> Table:
    first = finished[0].name
    header: tuple[Text, ...] = (
        Words("variant", "变体"),
        named(comparison.metric),
        INTERVAL,
        Words(f"against {first}", f"与 {first} 的差值"),
        INTERVAL,
        Words("in words", "结论"),
    )
    rows = tuple(_score(variant) for variant in finished)
    return Table(_caption(comparison), header, rows, frozenset(range(1, 5)))


def _caption(comparison: Comparison) -> Words:
    """The metric, the rows and the seeds of the scores."""
    metric, split = both(named(comparison.metric)), both(named(comparison.split))
    seeds, rows = ", ".join(map(str, comparison.seeds)), f"{comparison.rows:,}"
    return Words(
        f"{metric.en} on {split.en} ({rows} rows), mean of the seeds {seeds}",
        f"{split.zh}（{rows} 行）上的{metric.zh}，随机种子 {seeds} 的平均",
    )


def _score(variant: VariantResult) -> tuple[Text, ...]:
    if variant.score is None:
        return variant.name, "", "", "", "", ""
    found = (number(variant.score.value), interval(variant.score.to_json()))
    return variant.name, *found, *_difference(variant.against_first)


def _difference(found: Difference | None) -> tuple[Text, Text, Text]:
    if found is None:
        return "", "", ""
    value = found.difference
    return f"{value.value:+.4f}", f"{value.low:+.4f} – {value.high:+.4f}", _verdict(found)


def _verdict(found: Difference) -> Words:
    """The verdict with its p value, where one was given."""
    words = _VERDICTS[found.verdict]
    if found.verdict == "no verdict":
        return words
    p = f"{found.p:.3f}" if found.p >= 0.001 else "< 0.001"
    return Words(f"{words.en} (p {p})", f"{words.zh}（p {p}）")


def _costs(finished: Sequence[VariantResult]) -> Table:
    header = (
        Words("variant", "变体"),
        Words("parameters that learnt", "参与训练的参数"),
        Words("parameters", "参数量"),
        Words("training", "训练时间"),
        Words("peak memory", "内存峰值"),
        Words("one prediction", "每次预测"),
        Words("size on disk", "磁盘占用"),
    )
    rows = tuple(row for variant in finished for row in _cost(variant))
    return Table(Words("What one run of each costs", "各变体运行一次的开销"), header, rows, frozenset(range(1, 7)))


def _cost(variant: VariantResult) -> Iterator[tuple[Text, ...]]:
    if (cost := variant.cost) is not None:
        yield (
            variant.name,
            f"{cost.trained_parameters:,}",
            f"{cost.parameters:,}",
            f"{cost.train_seconds:,.1f} s",
            f"{cost.peak_memory_mb:,.0f} MB",
            f"{cost.milliseconds:,.1f} ms",
            f"{cost.bytes / 1e6:,.1f} MB",
        )


def _figure(comparison: Comparison, finished: Sequence[VariantResult]) -> Figure:
    chosen = comparison.recommendation.variant if comparison.recommendation else None
    values, seconds = [], []
    for variant in finished:
        if variant.score is not None and variant.cost is not None:
            strong = chosen in {None, variant.name}
            values.append(Span(variant.name, variant.score.value, variant.score.low, variant.score.high, strong))
            seconds.append(max(variant.cost.train_seconds, 0.001))
    metric = both(named(comparison.metric))
    side = Words("up", "上") if comparison.higher_is_better else Words("down", "下")
    stands_out = Words("; the recommended variant stands out", "；推荐的变体以强调色显示") if chosen else Words("", "")
    caption = Words(
        f"{metric.en} and time to train, with 95 % intervals: {side.en} and to the left is better{stands_out.en}",
        f"{metric.zh}与训练时间，附 95% 区间：越靠左{side.zh}越好{stands_out.zh}",
    )
    points = list(zip(values, seconds, strict=True))
    english = "; ".join(f"{of.name} {number(of.value)} after {second:,.1f} s" for of, second in points)
    chinese = "；".join(f"{of.name} {number(of.value)}，训练 {second:,.1f} s" for of, second in points)
    alt = Words(f"{metric.en} by time to train: {english}", f"训练时间与{metric.zh}：{chinese}")
    across = Words("seconds of training (logarithmic)", "训练秒数（对数坐标）")
    return Figure(tradeoff(values, seconds, across, metric), caption, alt)
