"""The identity of the model: task, base, adaptation, start, date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dianji.report.blocks import Block, Paragraph, Table, Text, Words
from dianji.report.section import Section
from dianji.report.subject import Subject


def tell(subject: Subject) -> Sequence[Block]:
    """A table of facts from the manifest, each with its digest where it has one."""
    manifest = subject.manifest
    base = manifest.base
    origin = f"{base['name']} ({base['architecture']}, {base['licence']})"
    techniques = ", ".join(_written(technique) for technique in manifest.techniques)
    labels = manifest.task["arguments"].get("labels", [])
    facts: list[tuple[Text, Text]] = [
        (Words("recipe", "配方"), manifest.recipe),
        (Words("stage", "阶段"), manifest.stage),
        (Words("task", "任务"), _name(manifest.task)),
        (Words("base (architecture, licence)", "基座模型（架构，许可证）"), origin),
        (Words("adaptation", "适配方式"), _written(manifest.adaptation)),
        (Words("techniques", "训练技巧"), techniques or Words("none", "无")),
        (Words("starts from", "起点"), "; ".join(f"{of.kind} {of.name} ({of.digest})" for of in manifest.parents)),
        (Words("data", "数据"), "; ".join(f"{name} ({digest})" for name, digest in manifest.data.items())),
        (Words("labels", "标签数"), f"{len(labels):,}") if labels else (Words("labels", "标签数"), "–"),
        (Words("seed", "随机种子"), str(manifest.seed)),
        (Words("digest of the step", "步骤摘要"), manifest.digest),
        (Words("finished", "完成时间"), _finished(subject)),
    ]
    checked = Words(
        f"Each of the {len(manifest.files)} files of the artefact was compared with its sha256 for this page.",
        f"生成本页时，成品的 {len(manifest.files)} 个文件都与各自的 sha256 核对过。",
    )
    caption = Words("What dianji.json says", "dianji.json 里的记录")
    return [Table(caption, (Words("fact", "项目"), Words("value", "内容")), tuple(facts)), Paragraph(checked)]


def _name(record: dict[str, Any]) -> str:
    return str(record["name"]).partition("@")[0]


def _written(record: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name} {value}" for name, value in record["arguments"].items())
    return f"{_name(record)} ({arguments})" if arguments else _name(record)


def _finished(subject: Subject) -> Text:
    """The date from the store; a copy elsewhere has none."""
    done = subject.folder.absolute().parent / "DONE"
    if subject.folder.name == "artefact" and done.is_file():
        return done.read_text(encoding="utf-8").strip()
    return Words("not known: this is a copy outside the store", "未知：这是存储之外的副本")


IDENTITY = Section(Words("What it is", "这是什么"), tell)
