"""The model card tells what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dianji.artefact.verify import readme
from dianji.artefact.verify.subject import Faults
from tests.artefact.conftest import subject_of


def told(folder: Path) -> str:
    faults = Faults()
    readme.check(subject_of(folder), faults)
    return "\n".join(str(fault) for fault in faults.found)


def test_an_honest_card(artefact: Path) -> None:
    assert told(artefact) == ""


@pytest.mark.parametrize(
    ("pattern", "by", "expected"),
    [
        (r"\| test \| accuracy \| [\d.]+", "| test | accuracy | 0.1234", r"tells accuracy 0.1234 on test"),
        (
            r"\| test \| accuracy of baseline majority \| [\d.]+",
            "| test | accuracy of baseline majority | 0.0100",
            r"0.01 on",
        ),
        (r"\| test \| accuracy \|", "| test | brilliance |", r"tells brilliance on test, of which .* knows nothing"),
        (r"type: log-loss\n      value: [\d.e-]+", "type: log-loss\n      value: 0.0001", r"tells log-loss 0.0001"),
        (r" +- type: log-loss\n      value: [\d.e-]+\n", "", r"model-index: log-loss on test is missing"),
        (r"---\n", "", r"is not of the shape that Dianji writes"),
    ],
)
def test_a_figure_that_nobody_measured(artefact: Path, pattern: str, by: str, expected: str) -> None:
    path = artefact / "README.md"
    text, count = re.subn(pattern, by, path.read_text(encoding="utf-8"))
    assert count
    path.write_text(text, encoding="utf-8")
    assert re.search(expected, told(artefact))
