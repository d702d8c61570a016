"""The quality report of a stage's rows, made once before the stage learns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dianji.bases.base import BaseSource
from dianji.bases.folder import FolderBase
from dianji.data.findings import Findings
from dianji.data.quality.near import QUICK
from dianji.data.quality.report import assess, gathered
from dianji.errors import StoreError
from dianji.pipeline.label_errors import label_errors
from dianji.pipeline.plan import Work, WorkPart
from dianji.reporting import Reporter
from dianji.store.atomic import write_json


def write_quality_report(work: Work, reporter: Reporter) -> tuple[str, ...]:
    """Write the report into the step; its warnings. A resumed run finds the report that is there.

    Raises:
        DataError: an image is damaged; or labels are to be judged of which there are too few rows.
    """
    found: list[str] = []
    for name, part in work.parts.items():
        if part.data.streamed:  # which the data report says
            continue
        if work.step.state != "interrupted" or not quality_of(work, name):
            write_json(_file(work, name), _report(work, part, reporter))
        found += quality_of(work, name)["warnings"]
    return tuple(found)


def _report(work: Work, part: WorkPart, reporter: Reporter) -> dict[str, Any]:
    findings = Findings()
    rows = gathered(part.data.splits, part.task.columns)
    report = assess(rows, findings, QUICK)
    if work.stage.evaluate.label_errors:
        report["label_errors"] = label_errors(rows, part.task.modality, _features_of(work), reporter)
        _warn(report["label_errors"], findings)
    return {**report, "warnings": [f"data.{part.section}: {warning}" for warning in findings.warnings]}


def _features_of(work: Work) -> BaseSource:
    """The base of the stage; an earlier stage is done at this point."""
    if work.parent is not None:
        return FolderBase(work.parent.step.artefact)
    if work.source is None:
        raise StoreError(f"stage {work.name} has neither a base nor an earlier stage")
    return work.source


def _warn(found: Mapping[str, Any], findings: Findings) -> None:
    if found["count"]:
        first = found["rows"][0]
        findings.warn(
            f"labels that are probably wrong: {found['count']:,}; the likeliest: {first['row']}, '{first['label']}' "
            f"instead of '{first['suggested']}'. They stand in evidence/quality.json."
        )


def quality_of(work: Work, part: str = "") -> dict[str, Any]:
    """The report of ``write_quality_report``; empty where an older version of Dianji ran the step."""
    path = _file(work, part)
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def warnings_of_quality(work: Work) -> list[str]:
    """Of all parts."""
    return [warning for part in work.parts for warning in quality_of(work, part).get("warnings", ())]


def _file(work: Work, part: str) -> Path:
    return work.step.folder / (f"quality.{part}.json" if part else "quality.json")
