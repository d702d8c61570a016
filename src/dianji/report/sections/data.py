"""The data of training and evaluation: rows, labels, lengths, languages, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dianji.report.blocks import Block, Facts, Figure, Item, Items, Paragraph, Table, Text, Words
from dianji.report.plots import bars, ranges, ranked
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.report.wording import named, percent

#: More labels than this are drawn without their names.
_NAMED = 24
_LENGTHS = {
    "tokens": Words("tokens per row", "每行词元数"),
    "characters": Words("characters per row", "每行字符数"),
}


def tell(subject: Subject) -> Sequence[Block] | None:
    """From ``evidence/data.json``; the data itself is not read."""
    report = subject.evidence("data")
    if not report:
        return None
    return [_facts(report), *_warnings(report), *_labels(report), *_lengths(report), *_pictures(report)]


def _facts(report: Mapping[str, Any]) -> Facts:
    pairs: list[tuple[Text, Text]] = [(named(split), f"{count:,}") for split, count in report.get("rows", {}).items()]
    leaked = sum(of["count"] for of in report.get("leakage", {}).values())
    if not report.get("streamed"):
        pairs += [
            (Words("duplicates", "重复行"), f"{report['duplicates']['count']:,}"),
            (Words("conflicting labels", "标签冲突"), f"{report['conflicts']['count']:,}"),
            (Words("held-out rows also in training", "同时出现在训练集里的评测行"), f"{leaked:,}"),
        ]
    for column, of in report.get("shared", {}).items():
        common = Words(f"held-out rows with a {column} of training", f"{column} 也出现在训练集里的评测行")
        pairs.append((common, f"{sum(entry['count'] for entry in of.values()):,}"))
    for split, cut in report.get("cut", {}).items():
        how_many = Words(
            f"{cut['rows']:,}, longer than {cut['length']:,} tokens; the longest has {cut['longest']:,}",
            f"{cut['rows']:,} 行超过 {cut['length']:,} 个词元；最长 {cut['longest']:,} 个",
        )
        pairs.append((Words(f"cut rows of {split}", f"{split} 中被截断的行"), how_many))
    for split, entry in report.get("unknown_tokens", {}).items():
        if entry["tokens"]:
            share = Words(
                f"{percent(entry['share'])} ({entry['tokens']:,} of {entry['of']:,} tokens)",
                f"{percent(entry['share'])}（{entry['of']:,} 个词元中的 {entry['tokens']:,} 个）",
            )
            pairs.append((Words(f"unknown tokens of {split}", f"{split} 中的未知词元"), share))
    if languages := report.get("languages"):
        shares = ", ".join(f"{of['language']} {percent(of['share'])}" for of in languages)
        pairs.append((Words("languages", "语言"), shares))
    return Facts(tuple(pairs))


def _warnings(report: Mapping[str, Any]) -> list[Block]:
    items = [str(warning) for warning in report.get("warnings", [])]
    items += [f"{reason}: {count:,}" for reason, count in report.get("removed", {}).items() if count]
    if not items:
        return []
    mind = Words("Warnings, and rows that were left out:", "需要留意的，以及被剔除的：")
    return [Paragraph(mind), Items(tuple(Item(item) for item in items))]


def _labels(report: Mapping[str, Any]) -> list[Block]:
    labels: Mapping[str, Mapping[str, int]] = report.get("labels", {})
    training = labels.get("train")
    if not training:
        return []
    names = sorted({name for of in labels.values() for name in of}, key=lambda name: (-training.get(name, 0), name))
    rows = tuple((name, *(f"{of.get(name, 0):,}" for of in labels.values())) for name in names)
    header: tuple[Text, ...] = (Words("label", "标签"), *(named(split) for split in labels))
    caption = Words("Rows of each label, the most frequent first", "每个标签的行数，从多到少")
    return [_balance(training), Table(caption, header, rows, frozenset(range(1, len(header))))]


def _balance(training: Mapping[str, int]) -> Figure:
    most, least = max(training.values()), min(training.values())
    caption = Words("Label balance in training", "训练集的标签分布")
    alt = Words(
        f"{len(training)} labels; the most frequent has {most:,} training rows, the least frequent {least:,}",
        f"共 {len(training)} 个标签；最多的有 {most:,} 行训练数据，最少的有 {least:,} 行",
    )
    rows, rank = Words("training rows", "训练行数"), Words("labels by frequency", "标签（按频次排列）")
    drawing = bars(training, rows) if len(training) <= _NAMED else ranked(list(training.values()), rank, rows)
    return Figure(drawing, caption, alt)


def _lengths(report: Mapping[str, Any]) -> list[Block]:
    return [_length(unit, report[key]) for key, unit in _LENGTHS.items() if _varies(report.get(key, {}))]


def _varies(quantiles: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether lengths vary: pictures count as one token each."""
    return any(of and of["min"] < of["max"] for of in quantiles.values())


def _length(unit: Words, quantiles: Mapping[str, Mapping[str, float]]) -> Figure:
    caption = Words(
        f"Length in {unit.en}: least to most, the middle nine tenths, and the median",
        f"长度（{unit.zh}）：从最短到最长、中间九成、中位数",
    )
    known = {named(split): of for split, of in quantiles.items() if of}
    medians = ", ".join(f"{split} {of['median']:,.0f}" for split, of in quantiles.items() if of)
    return Figure(ranges(known, unit), caption, Words(f"Median {unit.en}: {medians}", f"{unit.zh}的中位数：{medians}"))


def _pictures(report: Mapping[str, Any]) -> list[Block]:
    names = {"sizes": Words("size", "尺寸"), "modes": Words("mode", "模式"), "formats": Words("format", "格式")}
    return [
        Table(
            Words(f"Pictures by {word.en}, most frequent first", f"图片{word.zh}，从多到少"),
            (word, Words("pictures", "图片数")),
            tuple((str(value), f"{count:,}") for value, count in of[key].items()),
            frozenset({1}),
        )
        for of in report.get("images", {}).values()
        for key, word in names.items()
    ]


DATA = Section(Words("Data", "数据"), tell)
