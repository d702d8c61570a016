"""Numbers as text, and Dianji's own names in both languages; names from plug-ins stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dianji.evaluate.joint import SEPARATOR
from dianji.report.blocks import Text, Words

_NAMES = {
    words.en: words
    for words in (
        Words("train", "训练集"),
        Words("validation", "验证集"),
        Words("test", "测试集"),
        Words("accuracy", "准确率"),
        Words("macro-f1", "宏平均 F1"),
        Words("micro-f1", "微平均 F1"),
        Words("weighted-f1", "加权 F1"),
        Words("log-loss", "对数损失"),
        Words("expected-calibration-error", "期望校准误差"),
        Words("perplexity", "困惑度"),
        Words("token-accuracy", "词元准确率"),
        Words("turn-loss", "每个回答的平均损失"),
        Words("loss", "损失"),
        Words("bleu", "BLEU"),
        Words("chrf", "chrF"),
        Words("rouge-1", "ROUGE-1"),
        Words("rouge-2", "ROUGE-2"),
        Words("rouge-l", "ROUGE-L"),
        Words("exact-match", "完全匹配率"),
        Words("answer-exact-match", "答案完全匹配率"),
        Words("answer-f1", "答案 F1"),
        Words("span-f1", "实体 F1"),
        Words("span-macro-f1", "实体宏平均 F1"),
        Words("span-precision", "实体精确率"),
        Words("span-recall", "实体召回率"),
        Words("recall-at-1", "前 1 召回率"),
        Words("recall-at-5", "前 5 召回率"),
        Words("recall-at-10", "前 10 召回率"),
        Words("mrr", "平均倒数排名"),
        Words("ndcg", "归一化折损累计增益"),
        Words("spearman", "斯皮尔曼等级相关系数"),
        Words("pearson", "皮尔逊相关系数"),
        Words("mae", "平均绝对误差"),
        Words("rmse", "均方根误差"),
        Words("r2", "决定系数 R²"),
        Words("mean-truth", "真实均值"),
        Words("mean-answer", "预测均值"),
        Words("mean-cosine", "平均余弦"),
        Words("deviation", "标准差"),
        Words("mean-number", "训练集均值"),
        Words("tfidf-ridge", "TF-IDF 岭回归"),
        Words("second-text-alone", "只看第二段文本"),
        Words("length-ratio", "长度比"),
        Words("source-copy", "照抄原文"),
        Words("lead-sentence", "首句"),
        Words("frequent-target", "最常见的目标文本"),
        Words("nearest-source", "最相似原文的目标文本"),
        Words("majority", "多数类"),
        Words("tfidf-logistic-regression", "TF-IDF 逻辑回归"),
        Words("pixels-logistic-regression", "像素逻辑回归"),
        Words("precision", "精确率"),
        Words("recall", "召回率"),
    )
}

INTERVAL = Words("95 % interval", "95% 区间")
ROWS = Words("rows", "行数")


def named(name: str) -> Text:
    """A split, metric (of a part: ``part/metric``) or baseline in the reader's language, where Dianji has one."""
    part, separator, metric = name.rpartition(SEPARATOR)
    if not separator:
        return _NAMES.get(name, name)
    words = both(_NAMES.get(metric, metric))
    return Words(f"{part}: {words.en}", f"{part}：{words.zh}")


def both(text: Text) -> Words:
    """A text as words, for use in other words."""
    return text if isinstance(text, Words) else Words(text, text)


def number(value: float) -> str:
    """Four decimals; two for values of ten and above."""
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4f}"


def interval(estimate: Mapping[str, Any]) -> str:
    """``0.9312 – 0.9481``."""
    return f"{number(estimate['low'])} – {number(estimate['high'])}"


def percent(share: float) -> str:
    """``93.4 %``."""
    return f"{share * 100:.1f} %"


def shorten(text: str, most: int) -> str:
    """At most so many characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
