"""Compares the figures in the model card with the evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from dianji.artefact.verify.subject import Faults, Subject
from dianji.errors import ArtefactError

CARD = "README.md"
#: The card's tables give four decimals.
DECIMALS = 4


def check(subject: Subject, faults: Faults) -> None:
    """The figures that readers and the Hub see must be the measured ones."""
    with faults.at(CARD):
        text = (subject.folder / CARD).read_text(encoding="utf-8")
        metrics = subject.document("metrics")
        told = list(_indexed(text))
        wanted = {(split, name) for split, of in metrics["metrics"].items() for name in of}
        missing = sorted(wanted - {(split, name) for split, name, _ in told})
        for split, name in missing:
            faults.add(CARD, f"model-index: {name} on {split} is missing")
        for split, name, value in [*told, *_rows(text)]:
            expected = _stored(metrics, split, name)
            if expected is None:
                faults.add(CARD, f"tells {name} on {split}, of which evidence/metrics.json knows nothing")
            elif not math.isclose(value, expected, abs_tol=0.51 * 10**-DECIMALS):
                faults.add(CARD, f"tells {name} {value} on {split}, evidence/metrics.json has {expected}")


def _indexed(text: str) -> Iterator[tuple[str, str, float]]:
    """(split, metric, value) of the front matter's model-index, which the Hub shows."""
    try:
        front: Mapping[str, Any] = yaml.safe_load(text.split("---\n")[1])
    except yaml.YAMLError as error:
        raise ArtefactError(f"its front matter is not YAML ({' '.join(str(error).split())[:200]})") from error
    for result in front["model-index"][0]["results"]:
        for metric in result["metrics"]:
            yield result["dataset"]["split"], metric["type"], float(metric["value"])


def _rows(text: str) -> Iterator[tuple[str, str, float]]:
    """The same of the table of scores; metrics of baselines end with ``of baseline <name>``."""
    _, _, table = text.partition("## Scores\n")
    for line in table.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5 and cells[0] != "split" and set(line) - set("|- "):
            yield cells[0], cells[1], float(cells[2])


def _stored(metrics: Mapping[str, Any], split: str, name: str) -> float | None:
    name, _, baseline = name.partition(" of baseline ")
    source = metrics["baselines"].get(baseline, {}) if baseline else metrics["metrics"]
    estimate = source.get(split, {}).get(name)
    return float(estimate["value"]) if estimate else None
