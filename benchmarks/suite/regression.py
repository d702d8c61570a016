"""Ratios of today beside those stored for the same kind of CPU: what has become slower?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOSS = 0.20  # of a stored ratio


@dataclass(frozen=True)
class Compared:
    """A ratio, what it was when it was stored (None: it was not), and whether too much of it is lost."""

    name: str
    now: float
    stored: float | None
    lost: bool

    @property
    def change(self) -> float | None:
        """-0.2 where a fifth is lost."""
        return None if self.stored is None else self.now / self.stored - 1


def compare(now: Mapping[str, float], stored: Mapping[str, float]) -> Sequence[Compared]:
    """Each ratio that was measured, in order. A stored one that was not measured is lost, since nobody guards it."""
    rows = [
        Compared(name, ratio, stored.get(name), name in stored and ratio < (1 - LOSS) * stored[name])
        for name, ratio in now.items()
    ]
    return [*rows, *(Compared(name, 0.0, ratio, True) for name, ratio in stored.items() if name not in now)]


def read(path: Path, kind: str) -> dict[str, float]:
    """What is stored for a kind of CPU; nothing where nothing is."""
    if not path.exists():
        return {}
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8")).get(kind, {}).get("ratios", {})
    return found


def store(path: Path, kind: str, processor: str, ratios: Mapping[str, float]) -> None:
    """Put the ratios in the place of those of this kind; other kinds stay."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[kind] = {"processor": processor, "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()}}
    path.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n", encoding="utf-8")
