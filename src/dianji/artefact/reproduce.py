"""Reproduce a probe in a fresh process: ``python -m dianji.artefact.reproduce FOLDER``.

Importing torch and transformers takes seconds, so a helper process does that while training still runs, and forks for
each folder it is asked about: the fork has the imports and nothing else: no model, no data and no state of
the training process. Where there is no fork (Windows), each check starts a new interpreter.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from dianji.errors import ArtefactError, DianjiError


@dataclass(frozen=True)
class Reproduced:
    """What a process that had only the folder saw."""

    difference: float  # the largest one to the probe
    loader_fault: str = ""  # why the library that the folder names does not open it to the same outputs


def check(folder: Path) -> Reproduced:
    """Reproduce the probe of ``folder`` here and now, through Dianji and through the library that it names."""
    from dianji.artefact import loader
    from dianji.artefact.opened import Model

    model = Model.open(folder)
    difference = model.reproduce()
    try:
        loader.check(model)
    except (DianjiError, OSError, ValueError, RuntimeError, TypeError, AttributeError, LookupError) as error:
        return Reproduced(difference, " ".join(str(error).split()))
    return Reproduced(difference)


def serve() -> None:
    """Read one folder a line from standard input; answer one JSON document a line."""
    os.nice(19)  # its imports wait for cores that training leaves free; when it is asked, training is over
    import dianji.artefact.loader
    import dianji.artefact.opened
    import dianji.tasks  # noqa: F401
    from dianji.registry import REGISTRY

    for kind in ("task", "architecture", "processor", "base"):
        REGISTRY.discover(kind)
    answers = os.dup(1)
    os.dup2(2, 1)  # output of libraries must not mix with the answer
    for line in sys.stdin:
        said = _in_a_fork(Path(line.rstrip("\n")))
        os.write(answers, json.dumps(said["answer"]).encode() + b"\n")
        for module in said["imported"]:  # so that the next fork has it too
            with suppress(Exception):
                importlib.import_module(module)


def _in_a_fork(folder: Path) -> dict[str, Any]:
    """The answer, and the modules that it took."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        known = set(sys.modules)
        answer = _answer(folder)
        with os.fdopen(writes, "w") as pipe:
            json.dump({"answer": answer, "imported": sorted(sys.modules.keys() - known)}, pipe)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0 or not said:
        return {"answer": {"fault": f"the fresh process died (status {status})"}, "imported": []}
    document: dict[str, Any] = json.loads(said)
    return document


def _answer(folder: Path) -> dict[str, object]:
    try:
        return asdict(check(folder))
    except DianjiError as error:
        return {"fault": str(error)}
    except BaseException:  # noqa: BLE001  # the parent must learn of every failure here
        return {"fault": traceback.format_exc()}


@dataclass
class FreshProcess:
    """The parent's side of the helper process. Started early, its imports cost no waiting."""

    process: subprocess.Popen[str] | None = field(default=None)

    def start(self) -> None:
        """Begin the imports in the background; does nothing if the helper is running."""
        if not hasattr(os, "fork") or (self.process is not None and self.process.poll() is None):
            return
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dianji.artefact.reproduce", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
            start_new_session=True,  # Ctrl-C is for the trainer to handle
        )
        atexit.register(self.stop)

    def stop(self) -> None:
        """End the helper."""
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                _close(pipe)
            self.process.terminate()
            self.process.wait()
            self.process = None

    def check(self, folder: Path) -> Reproduced:
        """The same, computed by a process that had only the folder.

        Raises:
            ArtefactError: the probe is not reproduced, or the fresh process could not open the folder.
        """
        self.start()
        line = self._ask(folder) if self.process is not None else _in_new_interpreter(folder)
        answer = json.loads(line) if line.strip() else {"fault": "the fresh process ended without an answer"}
        if "fault" in answer:
            raise ArtefactError(f"a fresh process could not reproduce the model from its folder: {answer['fault']}")
        return Reproduced(**answer)

    def _ask(self, folder: Path) -> str:
        process = self.process
        if process is None or process.stdin is None or process.stdout is None:
            return ""
        process.stdin.write(f"{folder.absolute()}\n")
        process.stdin.flush()
        return process.stdout.readline()


def _close(pipe: IO[str] | None) -> None:
    if pipe is not None:
        pipe.close()


def _in_new_interpreter(folder: Path) -> str:
    command = [sys.executable, "-m", "dianji.artefact.reproduce", str(folder.absolute())]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


FRESH = FreshProcess()

if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        print(json.dumps(_answer(Path(sys.argv[1]))))  # noqa: T201  # the answer is this program's output
