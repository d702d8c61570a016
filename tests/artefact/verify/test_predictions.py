"""A whole evaluation again, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dianji.artefact.verify import predictions
from dianji.artefact.verify.subject import Faults
from dianji.artefact.verify.verdict import Compared
from dianji.errors import DataError
from dianji.reporting import Silent
from dianji.testing.tampering import edit_tensors
from tests.artefact.conftest import GOLDEN, subject_of

DATA = GOLDEN / "questions.csv"


def compared(folder: Path, data: Path = DATA) -> tuple[tuple[Compared, ...], list[str]]:
    faults = Faults()
    found = predictions.compare(subject_of(folder), str(data), None, Silent(), faults)
    return found, [str(fault) for fault in faults.found]


def test_every_row_is_predicted_as_recorded(artefact: Path) -> None:
    found, told = compared(artefact)
    assert told == []
    assert [(split.split, split.compared == split.rows, split.different) for split in found] == [
        ("validation", True, 0),
        ("test", True, 0),
    ]
    assert all(split.largest <= 1e-5 for split in found)


def test_one_row_that_was_recorded_otherwise_is_named_with_its_line(artefact: Path) -> None:
    def edit(tensors: dict[str, np.ndarray]) -> None:
        tensors["outcome/probabilities"][2] = [0.01, 0.01, 0.98]

    edit_tensors(artefact / "evidence/test.safetensors", edit)
    found, told = compared(artefact)
    assert [split.different for split in found] == [0, 1]
    assert len(told) == 1
    assert told[0].startswith("test: row 3 (questions.csv, line ")
    assert "recorded as 'refund' with 0.9800, predicted as" in told[0]


def test_rows_that_are_missing_are_counted_and_named(artefact: Path, tmp_path: Path) -> None:
    lines = DATA.read_text(encoding="utf-8").splitlines(keepends=True)
    part = tmp_path / "part.csv"
    part.write_text("".join(lines[: len(lines) // 2]), encoding="utf-8")
    found, told = compared(artefact, part)
    missing = {split.split: split.rows - split.compared for split in found}
    assert all(count > 0 for count in missing.values())
    for line, (split, count) in zip(told, missing.items(), strict=True):
        assert line.startswith(f"{split}: {count} of ")
        assert "recorded rows are not in the file (rows " in line


def test_the_order_of_rows_and_other_rows_do_not_matter(artefact: Path, tmp_path: Path) -> None:
    header, *lines = DATA.read_text(encoding="utf-8").splitlines(keepends=True)
    shuffled = tmp_path / "shuffled.csv"
    shuffled.write_text(header + "a new question,card,c1\n" + "".join(reversed(lines)), encoding="utf-8")
    assert compared(artefact, shuffled)[1] == []


def test_a_changed_word_makes_it_another_row(artefact: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(DATA.read_text(encoding="utf-8").replace("password", "passphrase"), encoding="utf-8")
    assert "recorded rows are not in the file" in compared(artefact, other)[1][0]


def test_other_data_altogether_is_no_proof(artefact: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text,label\nnever seen,card\n", encoding="utf-8")
    found, told = compared(artefact, other)
    assert [split.compared for split in found] == [0, 0]
    assert told == [f"{other}: none of its 1 rows is one that the model was evaluated on"]


def test_a_file_that_is_not_there(artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv"):
        compared(artefact, tmp_path / "nothing.csv")
