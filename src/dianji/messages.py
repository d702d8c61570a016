"""Messages as values: a key with arguments, and one text per language. The pipeline makes them; skins render them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Language = Literal["en", "zh"]
Argument: TypeAlias = "str | int | float | Message"


@dataclass(frozen=True)
class Message:
    """One statement for a reader.

    Law: ``Message.parse(m.to_json()) == m``.
    """

    key: str  # of ``TEXTS``
    arguments: Mapping[str, Argument] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.text("en")  # an unknown key or a missing argument fails where the message is made

    def text(self, language: Language) -> str:
        """The statement in one language."""
        english, chinese = TEXTS[self.key]
        values = {
            name: value.text(language) if isinstance(value, Message) else value
            for name, value in self.arguments.items()
        }
        return (english if language == "en" else chinese).format(**values)

    def __str__(self) -> str:
        return self.text("en")

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the English text for readers who do not know the keys."""
        arguments = {
            name: value.to_json() if isinstance(value, Message) else value for name, value in self.arguments.items()
        }
        return {"key": self.key, "arguments": arguments, "text": str(self)}

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Message:
        """Inverse of ``to_json``.

        Raises:
            KeyError: the key is unknown, or an argument is missing.
        """
        arguments = {
            name: cls.parse(value) if isinstance(value, Mapping) else value
            for name, value in found["arguments"].items()
        }
        return cls(found["key"], arguments)


#: key -> (English, Chinese); the fields in braces are the message's arguments.
TEXTS: Mapping[str, tuple[str, str]] = {
    # Notes of a comparison.
    "comparison.first-failed": (
        "'{failed}' failed, so the other variants are compared with '{reference}'.",
        "“{failed}”运行失败，因此其余变体与“{reference}”相比。",
    ),
    "comparison.no-test-rows": (
        "There are no test rows: {split} was used, which training may have looked at.",
        "没有测试集：用的是 {split}，训练时可能已经看过。",
    ),
    "comparison.few-rows": (
        "{rows} {split} rows: a paired test needs at least {least}, so no verdict and no recommendation is given. "
        "Set more rows aside for the test.",
        "{split} 只有 {rows} 行：配对检验至少需要 {least} 行，因此不作判断，也不作推荐。请给测试集多留一些行。",
    ),
    "comparison.one-finished": (
        "Only '{variant}' finished, so nothing was compared.",
        "只有“{variant}”完成，因此没有可比较的对象。",
    ),
    "comparison.part": (
        "Only the part '{part}' is compared; size and training time are those of the whole stage. To compare another "
        "part ({others}), set part in compare.",
        "只比较了部分“{part}”；大小和训练时间是整个阶段的。要比较其他部分（{others}），请在 compare 中设置 part。",
    ),
    "comparison.one-seed": (
        "One seed: the intervals do not include the variation between seeds. Use {enough} or more seeds to see it.",
        "只用了一个随机种子：区间不包括换种子会带来的变化。用 {enough} 个或更多才能看出。",
    ),
    "comparison.few-seeds": (
        "{seeds} seeds show the variation between seeds only roughly. Use {enough} or more.",
        "{seeds} 个随机种子只能粗略看出换种子会带来的变化。请用 {enough} 个或更多。",
    ),
    "comparison.shared-stages": (
        "Stages before the compared one ran once, with the recipe's seed, and are shared: the intervals do not include "
        "their variation between seeds.",
        "被比较的阶段之前的各阶段只用配方的种子运行了一次，由各变体共用：它们换种子会带来的变化不在区间之内。",
    ),
    "comparison.milliseconds": (
        "Milliseconds per prediction are the median of {counted} rows that come alone, after {warm_up} that are not "
        "counted; threads of the CPU: {threads}.",
        "每次预测的毫秒数，是在 CPU 的 {threads} 个线程上逐行预测 {counted} 行的中位数，此前的 {warm_up} 行不计。",
    ),
    # The recommended variant.
    "recommendation.rule": (
        "Of the variants that are not distinguishable from the best one, those that predict at most {slower:g} times "
        "as long as the quickest of them; of these the one that trained in the shortest time, then the one that learnt "
        "the fewest parameters.",
        "在与最好的变体无法区分的变体中，取预测用时不超过其中最快者 {slower:g} 倍的；"
        "其中选训练时间最短的，再选参与训练的参数最少的。",
    ),
    "recommendation.best-alone": (
        "Ship '{variant}': it scores best ({score:.4f}), and every other variant scores distinguishably worse.",
        "建议采用“{variant}”：成绩最好（{score:.4f}），没有其他变体与它相当。",
    ),
    "recommendation.best-cheapest": (
        "Ship '{variant}': it scores best ({score:.4f}), and the variants that are not distinguishable from it cost "
        "more.",
        "建议采用“{variant}”：成绩最好（{score:.4f}），与它无法区分的变体开销更大。",
    ),
    "recommendation.cheaper": (
        "Ship '{variant}': not distinguishable from the best, '{best}' ({difference:+.4f}, 95 % interval {low:+.4f} to "
        "{high:+.4f}), and it {saving}.",
        "建议采用“{variant}”：与成绩最好的“{best}”无法区分（差值 {difference:+.4f}，95% 区间 {low:+.4f} 至 "
        "{high:+.4f}），并且{saving}。",
    ),
    "saving.predicts-and-trains-faster": (
        "predicts {predicts:.1f}× faster and trains {trains:.1f}× faster",
        "预测速度是后者的 {predicts:.1f} 倍，训练速度是后者的 {trains:.1f} 倍",
    ),
    "saving.predicts-faster": ("predicts {predicts:.1f}× faster", "预测速度是后者的 {predicts:.1f} 倍"),
    "saving.trains-faster": ("trains {trains:.1f}× faster", "训练速度是后者的 {trains:.1f} 倍"),
    "saving.fewer-parameters": (
        "learns {parameters:,} parameters instead of {instead_of:,}",
        "参与训练的参数是 {parameters:,} 个，而不是 {instead_of:,} 个",
    ),
    "saving.none": ("costs no more", "开销不更大"),
    # The order of candidates in advice.
    "advice.rule": (
        "A pre-trained base comes first unless its frozen features predict the labels clearly worse than counted words "
        "or pixels do: then it comes after the new networks. Of several bases, the one whose features predict best "
        "comes first. Ways of tuning, and new networks, are in the order that full training of all of them gave. "
        "Candidates that exceed the budget come last.",
        "预训练基座排在前面，除非它冻结的特征对标签的预测明显不如词频或像素：那时排在新网络之后。"
        "有多个基座时，特征预测得最好的在前。各种微调方式与各种新网络，按全部完整训练后得出的名次排列。"
        "超出预算的候选排在最后。",
    ),
    "advice.features-and-words": (
        "pre-trained: its frozen features predict {features:.0%} of {rows:,} held-out rows, counted words "
        "{baseline:.0%}",
        "预训练：冻结的特征预测对 {rows:,} 行留出数据的 {features:.0%}，词频 {baseline:.0%}",
    ),
    "advice.features-and-pixels": (
        "pre-trained: its frozen features predict {features:.0%} of {rows:,} held-out rows, a regression on pixels "
        "{baseline:.0%}",
        "预训练：冻结的特征预测对 {rows:,} 行留出数据的 {features:.0%}，像素回归 {baseline:.0%}",
    ),
    "advice.languages": (
        "pre-trained on {languages}; the data are {language}",
        "预训练语言：{languages}；数据语言：{language}",
    ),
    "advice.unknown-languages": ("unknown languages", "未知"),
    "advice.among-languages": (
        "{count} languages, {language} among them",
        "{count} 种语言，包括 {language}",
    ),
    "advice.beside-languages": (
        "{count} languages, {language} not among them",
        "{count} 种语言，不包括 {language}",
    ),
    "advice.few-labels": (
        "few labels ({per_label:,.0f} rows each): {tuning}",
        "标签少（每个 {per_label:,.0f} 行）：{tuning}",
    ),
    "advice.enough-labels": (
        "enough labels ({per_label:,.0f} rows each): {tuning}",
        "标签足够（每个 {per_label:,.0f} 行）：{tuning}",
    ),
    "tuning.full": ("all weights learn", "全部权重参与训练"),
    "tuning.lora": (
        "small additions to the attention learn, the other weights stay",
        "只训练注意力上的小增量，其余权重不变",
    ),
    "tuning.last-layers": (
        "only the last layers learn, the layers below stay",
        "只训练最后几层，下面的层不变",
    ),
    "tuning.frozen": (
        "only the head learns: the least work, and the least risk",
        "只训练任务头：计算最少，风险最小",
    ),
    "advice.new-network": (
        "new: it learns from these {rows:,} rows alone",
        "全新网络：只从这 {rows:,} 行学习",
    ),
    "advice.prepares": (
        "it learns the language from the texts alone before it sees labels",
        "先只从文本学习语言，再学习标签",
    ),
    "advice.shortened": (
        "{epochs:g} epochs instead of {instead_of:g}, to keep to {minutes:g} minutes",
        "训练 {epochs:g} 轮而不是 {instead_of:g} 轮，以便不超过 {minutes:g} 分钟",
    ),
    "advice.trial-failed": ("its trial failed: {error}", "试跑失败：{error}"),
    "advice.too-slow": (
        "takes {needed:.0f} minutes, and {minutes:g} may be used",
        "需要 {needed:.0f} 分钟，而限额是 {minutes:g} 分钟",
    ),
    "advice.too-large": (
        "needs {needed:.1f} GB of memory, and {memory:.1f} GB may be used",
        "需要 {needed:.1f} GB 内存，而限额是 {memory:.1f} GB",
    ),
    "advice.left-out": ("'{candidate}' was left out: {reason}", "“{candidate}”未列入：{reason}"),
}
