"""The lineage of the model: earlier stages, base, data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dianji.artefact.manifest import NAME, Manifest
from dianji.report.blocks import Block, Item, Items, Paragraph, Words
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.store.steps import Store


def tell(subject: Subject) -> Sequence[Block]:
    """A nested list, the newest first: each artefact stands above its parents."""
    about = Words(
        "Each entry was made from those below it. Digests are of the base's files, of the bytes of the data, and of "
        "all that decides a stage's result.",
        "每一项都由其下各项得来。摘要分别取自基座文件、数据的字节，以及决定阶段结果的一切。",
    )
    return [Paragraph(about), Items((_stage(subject.manifest, _stores(subject.folder)),))]


def _stage(manifest: Manifest, stores: Sequence[Store]) -> Item:
    below = [Item(_digested("data", "数据", name, digest)) for name, digest in manifest.data.items()]
    for parent in manifest.parents:
        if parent.kind == "stage":
            below.append(_earlier(parent.name, parent.digest, stores))
        else:
            below.append(Item(_digested("base", "基座模型", parent.name, parent.digest)))
    return Item(_digested("stage", "阶段", manifest.stage, manifest.digest), tuple(below))


def _digested(english: str, chinese: str, name: str, digest: str) -> Words:
    return Words(f"{english} {name} ({digest})", f"{chinese} {name}（{digest}）")


def _earlier(name: str, digest: str, stores: Sequence[Store]) -> Item:
    for store in stores:
        folder = store.step(digest).artefact
        if (folder / NAME).is_file():
            return _stage(Manifest.read(folder), stores)
    return Item(
        Words(
            f"stage {name} ({digest}); its artefact is not at hand, so what it was made of is not told here",
            f"阶段 {name}（{digest}）；手边没有它的成品，这里说不出它的来历",
        )
    )


def _stores(folder: Path) -> list[Store]:
    """The store that holds the artefact, if there is one, and the usual one."""
    steps = folder.absolute().parent.parent
    return [*([Store(steps.parent)] if steps.name == "steps" else []), Store.default()]


LINEAGE = Section(Words("Lineage", "来历"), tell)
