"""What a comparison says in words, in Chinese too: the store keeps verdicts, recommendation and notes in English."""

from __future__ import annotations

import re

from dianji.comparison import RULE, Comparison, Difference, VariantCost, VariantResult
from dianji.pipeline import serving
from dianji.report.blocks import Text, Words
from dianji.report.wording import both, interval, named, number

_VERDICTS = {
    "better": Words("better", "更好"),
    "worse": Words("worse", "更差"),
    "not distinguishable": Words("not distinguishable", "无法区分"),
    "no verdict": Words("no verdict", "不作判断"),
}
_RULE = Words(
    RULE,
    "在与最好的变体无法区分的变体中，取预测用时不超过其中最快者 1.25 倍的；"
    "其中选训练时间最短的，再选参与训练的参数最少的。",
)
#: The notes of ``pipeline/compare.py``, and the same in Chinese.
_NOTES = (
    (r"'(.*)' failed, so the others are set beside '(.*)'\.", r"“\1”运行失败，因此其余变体与“\2”相比。"),
    (
        r"There are no test rows: (.*) was used, which training may have looked at\.",
        r"没有测试集：用的是 \1，训练时可能已经看过。",
    ),
    (
        r"(\d+) (\w+) rows: a paired test needs at least (\d+), so no verdict.*",
        r"\2 只有 \1 行：配对检验至少需要 \3 行，因此不作判断，也不作推荐。请给测试集多留一些行。",
    ),
    (r"Only '(.*)' finished, so nothing was compared\.", r"只有“\1”完成，因此没有可比较的对象。"),
    (
        r"One seed: what another one would change is not in the intervals\. (\d+) or more tell\.",
        r"只用了一个随机种子：区间不包括换种子会带来的变化。用 \1 个或更多才能看出。",
    ),
    (
        r"(\d+) seeds tell only roughly what another one would change\. (\d+) or more do\.",
        r"\1 个随机种子只能粗略看出换种子会带来的变化。请用 \2 个或更多。",
    ),
    (
        r"Stages before the compared one ran once.*",
        "被比较的阶段之前的各阶段只用配方的种子运行了一次，由各变体共用：它们换种子会带来的变化不在区间之内。",
    ),
    (
        r"Milliseconds per prediction are the median of .*",
        f"每次预测的毫秒数，是在 CPU 的 {serving.THREADS} 个线程上逐行预测 {serving.COUNTED} 行的中位数，"
        f"此前的 {serving.WARM_UP} 行不计。",
    ),
)


def verdict(found: Difference) -> Words:
    """With its p value, where a verdict was given."""
    words = _VERDICTS[found.verdict]
    if found.verdict == "no verdict":
        return words
    p = f"{found.p:.3f}" if found.p >= 0.001 else "< 0.001"
    return Words(f"{words.en} (p {p})", f"{words.zh}（p {p}）")


def note(text: str) -> Text:
    """What a reader must know; a note that is not known stays as it was written."""
    for english, chinese in _NOTES:
        if found := re.fullmatch(english, text, re.DOTALL):
            return Words(text, found.expand(chinese))
    return text


def rule(text: str) -> Text:
    """By which a variant was recommended."""
    return _RULE if text == _RULE.en else text


def recommendation(comparison: Comparison) -> Words | None:
    """Which variant to ship, and why; None where none is recommended."""
    if comparison.recommendation is None:
        return None
    variants = {variant.name: variant for variant in comparison.variants if variant.score is not None}
    chosen = variants[comparison.recommendation.variant]
    return Words(comparison.recommendation.words, _chinese(chosen, variants))


def _chinese(chosen: VariantResult, variants: dict[str, VariantResult]) -> str:
    found = chosen.against_best
    if found is None:
        equal = any(v.against_best and v.against_best.verdict == "not distinguishable" for v in variants.values())
        why = "与它无法区分的变体开销更大" if equal else "没有其他变体与它相当"
        return f"建议采用“{chosen.name}”：成绩最好（{number(chosen.score.value) if chosen.score else ''}），{why}。"
    difference = f"差值 {found.difference.value:+.4f}，95% 区间 {interval(found.difference.to_json())}"
    told = f"建议采用“{chosen.name}”：与成绩最好的“{found.to}”无法区分（{difference}）"
    costs = "，而".join(_cost(of) for of in (chosen, variants[found.to]))
    return f"{told}。{costs}。"


def _cost(variant: VariantResult) -> str:
    cost: VariantCost | None = variant.cost
    if cost is None:
        return f"“{variant.name}”的开销没有记录"
    return f"“{variant.name}”训练 {cost.train_seconds:,.1f} s、每次预测 {cost.milliseconds:,.1f} ms"


def measured(comparison: Comparison) -> Words:
    """On what, and with which seeds."""
    metric, split = both(named(comparison.metric)), both(named(comparison.split))
    seeds, rows = ", ".join(map(str, comparison.seeds)), f"{comparison.rows:,}"
    return Words(
        f"{metric.en} on {split.en} ({rows} rows), mean of the seeds {seeds}",
        f"{split.zh}（{rows} 行）上的{metric.zh}，随机种子 {seeds} 的平均",
    )
