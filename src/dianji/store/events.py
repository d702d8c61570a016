"""The events of a step as JSON lines: always written, read by reports and by people with ``tail -f``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dianji.store.atomic import translated, write_text


@dataclass(frozen=True)
class Events:
    """``{"event": "evaluation", "step": 120, ...}`` a line."""

    path: Path
    #: Of several processes that do one piece of work, one writes.
    writes: bool = True

    def write(self, event: str, **facts: Any) -> None:
        """Append one line."""
        if not self.writes:
            return
        with translated(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")

    def read(self) -> list[Mapping[str, Any]]:
        """All whole lines; a last line that a kill cut short is left out."""
        if not self.path.exists():
            return []
        # Bytes after the last newline were cut short, perhaps inside a character.
        return [json.loads(line) for line in self.path.read_bytes().split(b"\n")[:-1]]

    def rewind(self, step: int) -> None:
        """Drop events after ``step``, so that a resumed run records each event once."""
        if not self.writes:
            return
        kept = [event for event in self.read() if event.get("step", 0) <= step]
        write_text(self.path, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept))
