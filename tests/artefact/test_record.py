"""A record is read as it was written, and a damaged one is told from a good one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dianji.artefact.record import Record
from dianji.errors import ArtefactError
from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.modelled import Modelled
from dianji.evaluate.outcome import Outcome

ROWS = np.array([1, 2**63, 2**64 - 1], dtype=np.uint64)
SHARES = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]], dtype=np.float32)
OUTCOMES: tuple[Outcome, ...] = (
    Classified(("卡", "b"), np.array([1, 0, 1]), SHARES),
    Tagged(("a", "b"), SHARES > 0.4, SHARES, threshold=0.4),
    Modelled(np.array([0.1, 2.0, 3.0]), np.array([1, 2, 3]), np.array([1, 0, 2])),
)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_reading_is_the_inverse_of_writing(tmp_path: Path, outcome: Outcome) -> None:
    Record(outcome, ROWS).write(tmp_path, "test")
    read = Record.read(tmp_path, "test", [type(other) for other in OUTCOMES])
    assert type(read.outcome) is type(outcome)
    np.testing.assert_array_equal(read.rows, ROWS)
    for name, value in vars(outcome).items():
        np.testing.assert_array_equal(getattr(read.outcome, name), value)
        assert type(getattr(read.outcome, name)) is type(value)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="nothing is recorded of the split 'test'"):
        Record.read(tmp_path, "test", [Classified])
    Record(OUTCOMES[0], ROWS).write(tmp_path, "test")
    with pytest.raises(ArtefactError, match="a record of kind Classified, which none"):
        Record.read(tmp_path, "test", [Tagged])
    path = tmp_path / "test.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArtefactError, match=r"test\.safetensors: damaged"):
        Record.read(tmp_path, "test", [Classified])
