"""The cost of training the model, and its size."""

from __future__ import annotations

from collections.abc import Sequence

from dianji.report.blocks import Block, Facts, Text, Words
from dianji.report.section import Section
from dianji.report.subject import Subject


def tell(subject: Subject) -> Sequence[Block] | None:
    """From ``evidence/cost.json``, the manifest and the files themselves."""
    cost = subject.evidence("cost")
    if not cost:
        return None
    training = subject.manifest.training
    share = cost["trainable_parameters"] / cost["parameters"] if cost["parameters"] else 0.0
    size = sum((subject.folder / name).stat().st_size for name in subject.manifest.files)
    pairs: tuple[tuple[Text, Text], ...] = (
        (Words("training", "训练时间"), f"{cost['train_seconds']:,.1f} s"),
        (Words("optimiser steps", "优化步数"), f"{training['steps']:,}"),
        (Words("examples per second", "每秒样本数"), f"{cost['samples_per_second']:,.0f}"),
        (Words("peak memory", "内存峰值"), f"{cost['peak_memory_mb']:,.0f} MB"),
        (Words("parameters", "参数量"), f"{cost['parameters']:,}"),
        (Words("parameters that learnt", "参与训练的参数"), f"{cost['trainable_parameters']:,} ({share:.1%})"),
        (Words("size on disk", "磁盘占用"), f"{size / 1e6:,.1f} MB"),
    )
    return [Facts(pairs)]


COST = Section(Words("Cost", "开销"), tell)
