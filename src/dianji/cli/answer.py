"""The answer of a command: a document for machines and words for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO


def _nothing() -> None:
    """Prints nothing, for a command that printed while it worked."""


@dataclass(frozen=True)
class Answer:
    """``document`` is printed with ``--json``, else ``show`` is called."""

    document: Any
    show: Callable[[], None] = _nothing
    #: 1 where the answer is that something is wrong.
    exit_code: int = 0

    def print(self, *, as_json: bool) -> None:
        """One of the two, on stdout."""
        if as_json:
            print_json(self.document)
        else:
            self.show()


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def use_utf8(*streams: TextIO) -> None:
    """Make every text printable: files and pipes get UTF-8, and a terminal escapes characters that it lacks.

    JSON escapes a lone surrogate in the same way, so documents stay valid.
    """
    for stream in streams:
        # Test runners and notebooks put streams here that have no encoding to choose.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()
