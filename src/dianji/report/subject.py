"""The artefact of a report: its manifest, its evidence, its record of every held-out row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dianji.artefact.manifest import Manifest
from dianji.artefact.record import Record
from dianji.errors import ArtefactError
from dianji.registry import REGISTRY
from dianji.report.blocks import Words
from dianji.report.rows import SourceRows, read_again
from dianji.store.events import Events


@dataclass(frozen=True)
class Subject:
    """Reads each part on first use; an artefact of an earlier release may lack some parts."""

    folder: Path
    manifest: Manifest
    #: Whether texts and pictures of the data may be shown.
    shows_rows: bool = True

    @classmethod
    def open(cls, folder: Path, *, shows_rows: bool = True) -> Subject:
        """An artefact whose files have the digests of its manifest.

        Raises:
            ArtefactError: not an artefact, or a file is missing, changed or added.
        """
        manifest = Manifest.read(folder)
        manifest.check_files(folder)
        return cls(folder, manifest, shows_rows)

    def evidence(self, name: str) -> Mapping[str, Any]:
        """``evidence/<name>.json``; empty where there is none.

        Raises:
            ArtefactError: it is damaged.
        """
        path = self.folder / "evidence" / f"{name}.json"
        if not path.is_file():
            return {}
        try:
            found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtefactError(f"{path}: damaged ({error}). Restore the folder, or run its recipe again.") from error
        return found

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """The events of training, oldest first."""
        return Events(self.folder / "evidence" / "events.jsonl").read()

    @cached_property
    def measured(self) -> Mapping[str, Any]:
        """``evidence/metrics.json``: ``metrics``, ``baselines``, ``classes``."""
        return self.evidence("metrics")

    @property
    def split(self) -> str | None:
        """The split of the figures: test, or validation without a test split."""
        metrics = self.measured.get("metrics", {})
        return next((split for split in ("test", "validation") if split in metrics), None)

    @property
    def primary(self) -> str | None:
        """The metric that the task names first."""
        return next(iter(self.measured["metrics"][self.split]), None) if self.split else None

    @cached_property
    def record(self) -> Record | None:
        """The model's answers to every row of ``split``; None where they were not recorded.

        Raises:
            ArtefactError: it is damaged, or of a kind that no installed metric reads.
        """
        folder = self.folder / "evidence"
        if self.split is None or not (folder / f"{self.split}.safetensors").is_file():
            return None
        kinds = {kind for metric in REGISTRY.names("metric").values() for kind in metric.outcomes}
        return Record.read(folder, self.split, kinds)

    @cached_property
    def rows(self) -> SourceRows | Words:
        """The rows behind ``record``, from the data itself; or the reason why they are missing."""
        if self.record is None:
            return Words("The artefact has no record of single rows.", "成品里没有逐行记录。")
        return read_again(self.manifest, self.evidence("recipe"), self.record.rows)

    @property
    def shown_rows(self) -> SourceRows | Words:
        """``rows`` where they may be shown to the reader; else the reason."""
        if not self.shows_rows:
            return Words("The report was asked to show none of the data.", "生成报告时要求不显示数据内容。")
        return self.rows
