"""Kill runs of a recipe and run them again: ``python killing.py RECIPE FOLDER KILLS SEED [PATHS]`` prints JSON.

PATHS are parts of the names of files, with commas between them: by turns a run is killed while such a file is saved, or
at any time where the part is empty.

Starting a run costs seconds of imports. So one process imports everything, and forks a child for each run; the child
is ``dianji run`` from its arguments on, and dies by SIGKILL, which no program can answer. Nothing else is imitated but
the start of the fresh process that proves an artefact: it is forked from here too.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from dianji import cli
from dianji.artefact import reproduce
from dianji.pipeline import execute  # noqa: F401  # and with it nearly everything that a run imports
from dianji.registry import HOMES, REGISTRY


@dataclass(frozen=True)
class Moment:
    """When to kill: after so many seconds, or when the n-th file below a path with ``saving`` in it is being synced."""

    seconds: float | None = None
    saving: str = ""
    number: int = 0


NEVER = Moment()
#: What is saved late comes late, or little would be resumed.
USUAL = ("/checkpoint/", "", "/checkpoint/", "/.artefact.", "", "/.artefact.")
#: Files of states are two, of the training and the validation rows, and those of a stream one each; of the others there
#: are many.
FEW = {"/.states.safetensors.": 2, "/train.arrow": 1, "/report.json": 1}


@dataclass
class Report:
    """What came of it."""

    kills: int = 0
    while_saving: dict[str, int] = field(default_factory=dict)
    finished: int = 0
    digests: list[str] = field(default_factory=list)  # one; more if a run differed
    stories: list[list[int]] = field(default_factory=list)  # the steps that event logs tell of; one, as above
    leftovers: list[str] = field(default_factory=list)


def main(recipe: Path, folder: Path, kills: int, seed: int, paths: tuple[str, ...] = USUAL) -> Report:
    """Run once undisturbed, then kill at random moments, each time on what the killed one left."""
    for kind in HOMES:
        REGISTRY.discover(kind)
    for name in ("pandas", "peft", "scipy.stats"):  # what a run imports only when it comes to need it
        importlib.import_module(name)
    rng = random.Random(seed)
    report = Report()
    home = folder / "undisturbed"
    began = time.monotonic()
    if not survives(recipe, home, NEVER):
        raise SystemExit("the undisturbed run was killed")
    lasts = time.monotonic() - began
    conclude(report, home)
    home, tried = folder / "0", 0
    while report.kills < kills:
        moment = draw(rng, lasts, paths[tried % len(paths)])
        tried += 1
        if survives(recipe, home, moment):
            conclude(report, home)
            home, tried = folder / str(report.finished), 0
        else:
            report.kills += 1
            told = moment.saving or "any"
            report.while_saving[told] = report.while_saving.get(told, 0) + 1
    survives(recipe, home, NEVER)
    conclude(report, home)
    return report


def draw(rng: random.Random, lasts: float, kind: str) -> Moment:
    """While something is saved, or at any time."""
    if kind:
        return Moment(saving=kind, number=rng.randint(1, FEW.get(kind, 15)))
    return Moment(seconds=rng.uniform(0.0, 0.8 * lasts))


def survives(recipe: Path, home: Path, moment: Moment) -> bool:
    """One run in a child; false if it was killed."""
    child = os.fork()
    if child == 0:
        run(recipe, home, moment)
    if moment.seconds is not None:
        deadline = time.monotonic() + moment.seconds
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return _well(status)
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    return _well(os.waitpid(child, 0)[1])


def _well(status: int) -> bool:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if status != 0:
        raise SystemExit(f"a run ended with status {status}")
    return True


def run(recipe: Path, home: Path, moment: Moment) -> NoReturn:
    """The child: ``dianji run``."""
    os.environ["DIANJI_HOME"] = str(home)
    code = 1
    try:
        prove_in_a_fork()
        if moment.saving:
            kill_at_sync(moment)
        sys.stdout = io.StringIO()
        code = cli.invoke(["run", str(recipe), "--quiet"])
    finally:
        os._exit(code)


def kill_at_sync(moment: Moment) -> None:
    """The process kills itself between writing a file and having it synced."""
    fsync, seen = os.fsync, 0

    def counted(handle: int) -> None:
        nonlocal seen
        seen += moment.saving in str(Path(f"/proc/self/fd/{handle}").readlink())
        if seen == moment.number:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(handle)

    os.fsync = counted  # type: ignore[assignment]  # only ever called with a number here


class Forked:
    """What ``FreshProcess`` needs of a ``Popen``."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self.stdin, self.stdout = os.fdopen(stdin, "w"), os.fdopen(stdout)

    def poll(self) -> None:
        """It lives as long as its standard input is open."""


def prove_in_a_fork() -> None:
    """Start the server of fresh processes by a fork: it has the imports and nothing else."""
    asks, asked = os.pipe()
    answered, answers = os.pipe()
    if os.fork() == 0:
        os.close(asked)
        os.close(answered)
        os.dup2(asks, 0)
        os.dup2(answers, 1)
        os.close(asks)
        os.close(answers)
        reproduce.serve()
        os._exit(0)
    os.close(asks)
    os.close(answers)
    process: Any = Forked(asked, answered)
    reproduce.FRESH.process = process


def conclude(report: Report, home: Path) -> None:
    """Note what a finished run left, and what it should not have left."""
    (artefact,) = home.glob("steps/*/artefact")
    digest = hashlib.sha256((artefact / "model.safetensors").read_bytes()).hexdigest()
    events = [json.loads(line) for line in (artefact / "evidence/events.jsonl").read_text().splitlines()]
    story = [event["step"] for event in events if event["event"] == "step"]
    report.finished += 1
    if digest not in report.digests:
        report.digests.append(digest)
    if story not in report.stories:
        report.stories.append(story)
    allowed = {"lock", "holder", "spec.json", "quality.json", "events.jsonl", "metrics.json", "DONE", "artefact"}
    report.leftovers += [path.name for path in artefact.parent.iterdir() if path.name not in allowed]
    report.leftovers += [path.name for pattern in ("cache/.*", "cache/*/.*") for path in home.glob(pattern)]


if __name__ == "__main__":
    wanted = tuple(sys.argv[5].split(",")) if len(sys.argv) > 5 else USUAL
    print(json.dumps(asdict(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), wanted))))
