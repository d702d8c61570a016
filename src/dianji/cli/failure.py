"""Failures in words and as exit codes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Self

import typer
from typer.exceptions import TyperException

from dianji.cli.answer import print_json
from dianji.errors import DianjiError

INTERRUPTED = 130  # 128 + SIGINT, as shells count


@dataclass(frozen=True)
class Failure:
    """Exit codes: 1 it failed, 2 the input was wrong, 130 interrupted."""

    kind: str
    message: str
    exit_code: int

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """The failure for an exception."""
        name = type(error).__name__
        match error:
            case DianjiError():
                return cls(name, str(error), error.exit_code)
            case KeyboardInterrupt():
                return cls("Interrupted", f"Interrupted. {error}".strip(), INTERRUPTED)
            case TyperException():
                return cls("UsageError", _usage(error), error.exit_code)
            case typer.Abort():
                return cls("Interrupted", "Aborted.", 1)
            case OSError() if error.strerror:
                return cls(name, f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 1)
            case MemoryError():
                return cls(name, "The memory is used up. Make batches smaller, or give fewer rows.", 1)
        message = f"{name}: {error}\nThis is a fault in Dianji. Run again with --debug to see where; please report it."
        return cls(name, message, 1)

    def print(self, *, as_json: bool) -> None:
        """Plain text on stderr; with ``as_json`` also a document on stdout."""
        print(self.message, file=sys.stderr)
        if as_json:
            print_json({"error": {"kind": self.kind, "message": self.message}})


def _usage(error: TyperException) -> str:
    """The parser's message, and a pointer to the help. Without arguments the message is the whole help."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is None or message.startswith("Usage:"):
        return message
    return f"{message}\nTry: {context.command_path} --help"
