"""What ``test_together.py`` looks at: ``python -m tests.engine.collective FOLDER`` prints one JSON document.

Everything is imported once; then each case forks the processes that it is about.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import accelerate  # noqa: F401  # what a process would import when it comes to need it
import torch
from torch import nn

from dianji.engine import sharding, watch  # noqa: F401
from dianji.engine.joining import joined
from dianji.techniques.early_stopping import EarlyStopping
from dianji.techniques.ema import Ema
from tests.crew import Ended, crew
from tests.engine.conftest import CoupledTask, Log, Toy

PLAIN: dict[str, Any] = {"dropout": 0.0, "ignored": 0.3, "rows": 25, "train": {"batch_size": 4, "epochs": 2}}


def train(toy: Toy, kill_at: int = 0, pause: float = 0.0) -> dict[str, Any]:
    """Train the toy in all processes; what came of it in this one, which may be killed or slower than others."""
    log = Log()
    with joined() as processes:
        training = toy.training(log, processes)
        if kill_at:
            _before_updates(training, lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == kill_at else None)
        if pause:
            _before_updates(training, lambda step: time.sleep(pause))
        trained = training.run()
        weights = {
            name: tensor.tolist() for name, tensor in training.context.model.state_dict().items() if not tensor.is_meta
        }
    events = toy.folder / "events.jsonl"
    return {
        "weights": weights,
        "kind": type(training.context.model).__name__,
        "steps": trained.steps,
        "samples": trained.samples,
        "warned": log.warned,
        "events": [json.loads(line) for line in events.read_text().splitlines()],
    }


def _before_updates(training: Any, do: Callable[[int], None]) -> None:
    apply = training.update.apply

    def counted(items: int, when: tuple[int, int]) -> None:
        do(training.context.progress.step)
        apply(items, when)

    training.update.apply = counted


def both(toy: Toy, count: int = 2, *, sharded: bool = False) -> list[Ended]:
    return crew([lambda: train(toy)] * count, sharded=sharded)


def killed_and_resumed(toy: Toy, *, sharded: bool = False) -> list[Ended]:
    """Every process is killed in its sixth step; then they train to the end."""
    lost = crew([lambda: train(toy, kill_at=6)] * 2, sharded=sharded)
    assert [ended.code for ended in lost] == [-9, -9], lost
    return both(toy, sharded=sharded)


def talk() -> dict[str, Any]:
    """Everything that processes say to each other."""
    with joined() as processes:
        rank = processes.launch.rank
        order = []
        with processes.main_first():
            order = sorted(Path(os.environ["NOTES"]).iterdir())
            (Path(os.environ["NOTES"]) / f"rank-{rank}").touch()
        used, unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
        if rank == 0:
            used.grad = torch.ones(2)
        parameters = [used, unused, nn.Parameter(torch.zeros(3, 2))]
        parameters[2].grad = torch.full((3, 2), float(rank + 1))
        processes.sum_gradients(parameters)
        try:
            processes.require_same("step", rank)
            refused = ""
        except Exception as error:  # noqa: BLE001  # told to the test
            refused = f"{type(error).__name__}: {error}"
        return {
            "seen": [path.name for path in order],
            "from main": processes.on_main(lambda: {"value": [1.5, float("inf"), "ö"]}),
            "any": processes.any(rank == 1, False),
            "total": processes.total(rank + 1, 0.5),
            "slowest": processes.slowest(float(rank)),
            "gradients": [None if of.grad is None else of.grad.tolist() for of in parameters],
            "refused": refused,
        }


class Normed(nn.Module):
    """A norm with running statistics, which rows of one process alone would give."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)


def statistics() -> list[float]:
    with joined() as processes:
        model = Normed()
        model.norm(torch.full((4, 2), float(processes.launch.rank)) + torch.arange(4.0)[:, None])
        processes.follow(model)
        mean: list[float] = model.norm.running_mean.tolist()  # type: ignore[union-attr]  # it has running statistics
        return mean


def weights() -> list[float]:
    with joined() as processes:
        model = nn.Linear(2, 1)
        nn.init.constant_(model.weight, float(processes.launch.rank))
        processes.unite(model)
        found: list[float] = model.weight.flatten().tolist()
        return found


def lost_while_waiting(how: Callable[[], None], *, main_waits: bool) -> list[Ended]:
    """One process ends while the other waits for it, or works on its own."""

    def ends() -> None:
        with joined():
            how()

    def waits() -> None:
        with joined() as processes:
            processes.slowest(0.0)

    return crew([waits, ends] if main_waits else [ends, waits])


def lost_while_working() -> list[Ended]:
    """The process that is left is busy with work of its own, and notices nothing by itself."""

    def works() -> None:
        watch.GRACE = 0.5
        with joined():
            signal.pause()

    def dies() -> None:
        with joined():
            os.kill(os.getpid(), signal.SIGKILL)

    return crew([works, dies])


def fails() -> None:
    raise ValueError("the disk is full")


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def cases(folder: Path) -> Iterator[tuple[str, list[Ended]]]:
    toy = Toy(folder / "alone", **PLAIN)
    yield "alone", crew([lambda: train(toy)])
    yield "two", both(toy.but("two"))
    accumulating = {**PLAIN["train"], "accumulate": 2}
    yield "alone, accumulating", crew([lambda: train(toy.but("alone-2", train=accumulating))])
    yield "three, accumulating", both(toy.but("three", train=accumulating), 3)
    yield "two that share the weights", both(toy.but("sharded", train=accumulating), sharded=True)
    coupled = {"task": CoupledTask(), "train": {"batch_size": 7, "epochs": 2}}  # the last batch has 4 rows
    yield "coupled alone", crew([lambda: train(toy.but("coupled-1", **coupled))])
    yield "coupled two", both(toy.but("coupled-2", **coupled))
    yield "coupled, more than rows", both(toy.but("coupled-5", **coupled), 5)
    yield "coupled, two that share the weights", both(toy.but("coupled-sharded", **coupled), sharded=True)
    random = toy.but("random", dropout=0.2, techniques=(Ema(0.9), EarlyStopping(2)))
    random.train["checkpoint_every"] = 4
    yield "undisturbed", both(random)
    budget = toy.but("budget", train={"epochs": None, "minutes": 0.01})
    yield "budget", crew([lambda: train(budget), lambda: train(budget, pause=0.02)])
    yield "resumed", killed_and_resumed(random.but("resumed"))
    yield "resumed alone", _resumed_alone(random.but("resumed-alone"))
    yield "shared, resumed alone", _resumed_alone(random.but("shared-resumed-alone"), sharded=True)
    yield "sharing undisturbed", both(random.but("sharing"), sharded=True)
    yield "sharing resumed", killed_and_resumed(random.but("sharing-resumed"), sharded=True)
    with _notes(folder / "notes"):
        yield "talk", crew([talk] * 2)
    yield "statistics", crew([statistics] * 2)
    yield "weights", crew([weights] * 2)
    yield "main lost", lost_while_waiting(dies, main_waits=False)
    yield "other lost", lost_while_waiting(dies, main_waits=True)
    yield "main failed", lost_while_waiting(fails, main_waits=False)
    yield "other failed", lost_while_waiting(fails, main_waits=True)
    yield "lost while working", lost_while_working()


def _resumed_alone(toy: Toy, *, sharded: bool = False) -> list[Ended]:
    crew([lambda: train(toy, kill_at=6)] * 2, sharded=sharded)
    return both(toy, 1)


@contextmanager
def _notes(folder: Path) -> Iterator[None]:
    folder.mkdir()
    os.environ["NOTES"] = str(folder)
    yield
    del os.environ["NOTES"]


if __name__ == "__main__":
    print(json.dumps({name: [asdict(one) for one in ended] for name, ended in cases(Path(sys.argv[1]))}))
