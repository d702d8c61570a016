"""The result of a verification: checks by name, each with its faults."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["passed", "failed", "not made"]


@dataclass(frozen=True)
class Fault:
    """One deviation from the expected state."""

    place: str  # a file in the folder, or a file and a key of it
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    #: What was looked at, in a few words.
    about: str
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    #: Why the check was not made; empty where it was.
    skipped: str = ""

    @property
    def state(self) -> State:
        """Passed, failed or not made."""
        if self.skipped:
            return "not made"
        return "failed" if self.faults else "passed"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "about": self.about,
            "state": self.state,
            "faults": [vars(fault) for fault in self.faults],
            "notes": list(self.notes),
            "skipped": self.skipped,
        }


@dataclass(frozen=True)
class Compared:
    """One recorded split against a file."""

    split: str
    rows: int  # recorded
    compared: int  # of these, found in the file
    different: int  # of these, by more than the tolerance
    largest: float  # difference, relative where values exceed one
    tolerance: float

    def __str__(self) -> str:
        if not self.compared:
            return f"{self.split}: none of its {self.rows:,} rows is in the file; not compared"
        same = f"{self.compared - self.different:,} of {self.rows:,} rows are predicted as recorded"
        return f"{self.split}: {same} (largest difference {self.largest:.1e}, at most {self.tolerance:.0e} is allowed)"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "largest": self.largest if math.isfinite(self.largest) else None}


@dataclass(frozen=True)
class Verification:
    """The result of ``dianji verify ARTEFACT``."""

    artefact: Path
    checks: tuple[Check, ...]
    #: With ``--data``: each recorded split against the file.
    predictions: tuple[Compared, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults of all checks."""
        return tuple(fault for check in self.checks for fault in check.faults)

    @property
    def ok(self) -> bool:
        """Whether there are no faults. A check is left out only after another one failed, or without an object."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """The document that ``dianji verify --json`` prints."""
        return {
            "artefact": str(self.artefact),
            "ok": self.ok,
            "checks": [check.to_json() for check in self.checks],
            "predictions": [split.to_json() for split in self.predictions],
        }
