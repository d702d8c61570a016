"""Runs of recipes by several processes: ``python -m tests.stories.several RECIPE DERIVED FOLDER``.

Some processes are lost. In DERIVED a stage makes rows for a later one.

As in ``killing.py``, one process imports everything and forks a child for each process of a run.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import accelerate  # noqa: F401  # what a run imports when it comes to need it

from dianji import cli
from dianji.engine import collective  # noqa: F401
from dianji.pipeline import execute  # noqa: F401
from dianji.registry import HOMES, REGISTRY
from dianji.store.events import Events
from dianji.store.steps import Store
from tests.crew import Ended, crew
from tests.stories.killing import prove_in_a_fork


def command(*arguments: str, home: Path, before: Callable[[], None] = lambda: None) -> Callable[[], Any]:
    """``dianji …`` in a child; what it wrote to stdout."""

    def work() -> str:
        os.environ["DIANJI_HOME"] = str(home)
        prove_in_a_fork()
        before()
        sys.stdout = io.StringIO()
        code = cli.invoke(arguments)
        if code:
            raise SystemExit(code)
        return sys.stdout.getvalue()

    return work


def at_step(number: int, what: signal.Signals) -> Callable[[], None]:
    """The process sends itself a signal after so many optimiser steps, whatever stage they are of."""

    def prepare() -> None:
        write, seen = Events.write, 0

        def counted(self: Events, event: str, **facts: Any) -> None:
            nonlocal seen
            write(self, event, **facts)
            seen += event == "step"
            if event == "step" and seen == number:
                os.kill(os.getpid(), what)

        Events.write = counted  # type: ignore[method-assign]

    return prepare


def main(recipe: str, derived: str, folder: Path) -> dict[str, list[Ended]]:
    for kind in HOMES:
        REGISTRY.discover(kind)
    run = ("run", recipe)
    cases = {"alone": crew([command(*run, home=folder / "alone")])}
    cases["together"] = crew([command(*run, home=folder / "together")] * 2)
    cases["reused"] = crew([command(*run, "--json", home=folder / "together")] * 2)
    for name, what in (("killed", signal.SIGKILL), ("stopped", signal.SIGTERM)):
        home = folder / name
        cases[name] = crew([command(*run, home=home), command(*run, home=home, before=at_step(9, what))])
    home = folder / "main killed"
    cases["main killed"] = crew([command(*run, home=home, before=at_step(9, signal.SIGKILL)), command(*run, home=home)])
    cases["main killed, resumed"] = crew([command(*run, home=home)] * 2)
    (step,) = [step for step in Store(folder / "stopped").steps() if step.state == "interrupted"]
    with step.locked():
        cases["held"] = crew([command(*run, home=folder / "stopped")] * 2)
    cases["no such stage"] = crew([command(*run, "--stage", "none", home=folder / "together")] * 2)
    of_rows, home = ("run", derived), folder / "derived"
    cases["derived alone"] = crew([command(*of_rows, home=folder / "derived alone")])
    cases["derived"] = crew([command(*of_rows, home=home)] * 2)
    cases["derived, reused"] = crew([command(*of_rows, "--json", home=home)] * 2)
    return cases


if __name__ == "__main__":
    found = main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    print(json.dumps({name: [asdict(one) for one in ended] for name, ended in found.items()}))
