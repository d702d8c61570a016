"""Instructions for reproducing the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from dianji.report.blocks import Block, Code, Paragraph, Table, Words
from dianji.report.section import Section
from dianji.report.subject import Subject

#: Of the address of a database; a page is read by more people than the recipe is.
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")


def tell(subject: Subject) -> Sequence[Block]:
    """The filled recipe, the command, and the versions that were used."""
    manifest = subject.manifest
    versions = tuple((name, version) for name, version in manifest.versions.items())
    header = Words("what", "组件"), Words("version", "版本")
    used = Table(Words("Versions that were used", "当时的版本"), header, versions)
    recipe = subject.evidence("recipe")
    if not recipe:
        missing = Words(
            "The artefact does not hold the recipe that made it: an earlier release left it out.",
            "成品里没有生成它的配方：更早的版本不保存它。",
        )
        return [Paragraph(missing, note=True), used]
    written = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
    return [
        Paragraph(_promise(subject, recipe)),
        Code(f"dianji run recipe.yaml --stage {manifest.stage}", "bash"),
        Code(_PASSWORD.sub(r"\1***@", written), "yaml"),
        used,
    ]


def _promise(subject: Subject, recipe: Mapping[str, Any]) -> Words:
    """The expected result of another run: the same bytes, unless the stage had a budget in minutes."""
    digest = subject.manifest.digest
    if recipe["stages"][subject.manifest.stage]["train"].get("minutes"):
        return Words(
            f"Save the recipe below as recipe.yaml and run it: the step gets the digest {digest}. Its budget is in "
            "minutes, so the weights will be as good, and not the same.",
            f"把下面的配方存为 recipe.yaml 并运行：步骤摘要仍是 {digest}。"
            "训练预算以分钟计，所以权重效果相当，但不会相同。",
        )
    return Words(
        f"Save the recipe below as recipe.yaml and run it with these versions on a machine of this kind: the step gets "
        f"the digest {digest} and the same weights, byte by byte (on a GPU: with deterministic algorithms).",
        f"把下面的配方存为 recipe.yaml，用同样的版本在同类机器上运行：步骤摘要仍是 {digest}，"
        "权重逐字节相同（GPU 上需要确定性算法）。",
    )


REPRODUCE = Section(Words("How to reproduce it", "如何复现"), tell)
