"""What reading finds: faults are collected, so that one run shows them all; warnings travel beside the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dianji.errors import DataError

#: Faults shown in one error; the rest are counted.
SHOWN = 20


@dataclass
class Findings:
    """Faults, warnings and how each file was read. One per call of ``load`` or ``rows``."""

    warnings: list[str] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)  # file's name in messages -> encoding
    rows: dict[str, int] = field(default_factory=dict)  # file's name in messages -> rows that were read
    faults: list[str] = field(default_factory=list)
    count: int = 0

    def fault(self, message: str) -> None:
        """Remember a fault; beyond the first ones it is only counted."""
        self.count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(message)

    def warn(self, message: str) -> None:
        """Remember something that a person should read."""
        self.warnings.append(message)

    def merge(self, other: Findings) -> None:
        """Take over what was found elsewhere."""
        self.warnings += other.warnings
        self.encodings.update(other.encodings)
        for name, count in other.rows.items():
            self.rows[name] = self.rows.get(name, 0) + count
        self.faults = (self.faults + other.faults)[:SHOWN]
        self.count += other.count

    def check(self) -> None:
        """Raise what was collected.

        Raises:
            DataError: there is a fault; the message holds one line for each of the first ones and counts the rest.
        """
        if self.count:
            more = self.count - len(self.faults)
            raise DataError("\n".join([*self.faults, *([f"… and {more:,} more faults like these"] if more else [])]))


def some(items: Iterable[str], shown: int = 10) -> str:
    """The first items in words, and how many more there are.

    >>> some(["a", "b", "c"], shown=2)
    'a; b; and 1 more'
    """
    listed = list(items)
    more = f"; and {len(listed) - shown:,} more" if len(listed) > shown else ""
    return "; ".join(listed[:shown]) + more


def plural(count: int, noun: str) -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
