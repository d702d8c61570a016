"""The quality report of a stage's rows, made once before the stage learns."""

from __future__ import annotations

import json
from typing import Any

from dianji.data.findings import Findings
from dianji.data.quality.near import QUICK
from dianji.data.quality.report import assess, gathered
from dianji.pipeline.plan import Work
from dianji.store.atomic import write_json

_FILE = "quality.json"


def look_closer(work: Work) -> tuple[str, ...]:
    """Write the report into the step; its warnings. A resumed run finds the report that is there.

    Raises:
        DataError: an image is damaged.
    """
    if work.step.state != "interrupted" or not quality_of(work):
        findings = Findings()
        report = assess(gathered(work.data.splits, work.task.columns), findings, QUICK)
        told = [f"data.{work.stage.data}: {warning}" for warning in findings.warnings]
        write_json(work.step.folder / _FILE, {**report, "warnings": told})
    return tuple(quality_of(work)["warnings"])


def quality_of(work: Work) -> dict[str, Any]:
    """What ``look_closer`` wrote; empty where an older version of Dianji ran the step."""
    path = work.step.folder / _FILE
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
