"""``dianji chat``: a conversation with an artefact, on a terminal or line by line from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Artefact, Json
from dianji.cli.predict import Precision

if TYPE_CHECKING:
    from dianji.artefact.opened import Model

System = Annotated[
    str | None,
    typer.Option("--system", "-s", help="What the model is told before the conversation.", show_default=False),
]

_HELP = "Write a message and press Enter. /reset forgets the conversation, /exit ends it; Ctrl-C stops an answer."
_COMMANDS = ("/reset", "/exit", "/help")


def chat(artefact: Artefact, system: System = None, precision: Precision = "fp32", as_json: Json = False) -> Answer:
    """Talk with a model. Not on a terminal, each line of standard input is a message."""
    from dianji import verbs

    model = verbs.open(artefact, precision=precision)
    first = [{"role": "system", "content": system}] if system else []
    history = _talk(model, first, silent=as_json)
    return Answer({"artefact": str(artefact), "messages": history})


def _talk(model: Model, first: list[dict[str, Any]], *, silent: bool) -> list[dict[str, Any]]:
    """All messages since the last reset."""
    from dianji.errors import DataError

    history = list(first)
    interactive = sys.stdin.isatty()
    if interactive:
        print(_HELP, file=sys.stderr)
    for line in _lines(interactive):
        if line == "/exit":
            break
        if line == "/reset":
            history = list(first)
        elif line == "/help":
            print(_HELP, file=sys.stderr)
        elif line.startswith("/") and not line.startswith("//"):
            _refuse(line, interactive)
        else:
            asked = {"role": "user", "content": line.removeprefix("/")}
            try:
                answered = _answer(model, [*history, asked], silent=silent)
            except DataError as error:
                if not interactive:
                    raise
                print(error, file=sys.stderr)
                continue
            # Without an answer the next question would follow this one, which is no order of turns.
            history += [asked, {"role": "assistant", "content": answered}] if answered.strip() else []
    return history


def _answer(model: Model, messages: list[dict[str, Any]], *, silent: bool) -> str:
    """The answer, printed as it comes; what there is of it when Ctrl-C stops it."""
    told = ""
    try:
        for piece in model.chat(messages, stream=True):
            told += piece
            if not silent:
                print(piece, end="", flush=True)
    except KeyboardInterrupt:
        print("\n(stopped)", file=sys.stderr)
        if not sys.stdin.isatty():
            raise
    if not silent:
        print(flush=True)
    return told


def _lines(interactive: bool) -> Iterator[str]:
    """Messages without empty ones; on a terminal until Ctrl-D, or Ctrl-C where nothing is being answered."""
    while True:
        try:
            line = input("> ") if interactive else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            print(file=sys.stderr)
            return
        if not line and not interactive:
            return
        if line.strip():
            yield line.strip()


def _refuse(line: str, interactive: bool) -> None:
    """Say that a command is unknown.

    Raises:
        BadParameter: nobody is there to write it again.
    """
    known = ", ".join(_COMMANDS)
    told = f"unknown command {line.split()[0]}; expected one of {known}. Write // before a message that begins with /"
    if not interactive:
        raise typer.BadParameter(told)
    print(told, file=sys.stderr)
