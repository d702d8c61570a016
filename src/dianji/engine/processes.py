"""The processes that train together, as the loop sees them. There is one, unless a launcher started several.

``Processes`` is the single one, where everything is what it would be without it; ``collective.py`` has the other case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from torch import Tensor, nn

from dianji.launch import Launch
from dianji.tasks.base import Batch, Loss

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True)
class Share:
    """A process's rows of a batch. Where there are fewer rows than processes, some take one to no effect."""

    batch: Batch
    counts: bool = True

    def counted(self, loss: Loss) -> Loss:
        """The loss of these rows; of no items if they are only taken so that all processes take the same steps."""
        return loss if self.counts else loss._replace(items=0)


class Processes:
    """A process alone."""

    launch = Launch()
    #: Seconds in which a signal may come twice: from the terminal, and handed on by the launcher.
    echo = 0.0

    @property
    def count(self) -> int:
        """How many train together."""
        return self.launch.count

    @property
    def main(self) -> bool:
        """Whether this process writes, and speaks for all."""
        return self.launch.main

    def describe(self) -> str:
        """What is added to where a run computes."""
        return ""

    def unite(self, model: nn.Module) -> None:
        """Give every process the same weights, divided among them if that was asked for."""

    def whole(self, model: nn.Module) -> None:
        """Put weights that were divided together again."""

    def collected(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """For the main process to write: the tensors, whole. The others get none."""
        return tensors

    def share(self, batch: Batch) -> Share:
        """This process's rows of a batch that every process has made alike.

        Raises:
            CapabilityError: the batch is not made of rows.
        """
        return Share(batch)

    def seed(self, *where: int) -> None:
        """What is drawn from here on (dropout) is this process's own."""

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Gradients become the sum over all processes."""

    def follow(self, model: nn.Module) -> None:
        """Running statistics, which each process has of its own rows, become those of the main process."""

    def total(self, items: int, value: float) -> tuple[int, float]:
        """Sums over all processes."""
        return items, value

    def slowest(self, seconds: float) -> float:
        """The most that a process took."""
        return seconds

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is up in some process."""
        return flags

    def require_same(self, what: str, value: int) -> None:
        """Refuse to go on where processes stand at different places.

        Raises:
            ResumeError: they do.
        """

    def on_main(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """What ``work`` gives in the main process. The others wait for it, and are given the same plain JSON values."""
        return work(*arguments)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through the block before the others do, who find what it has written."""
        yield

    @contextmanager
    def hold(self, lock: AbstractContextManager[None]) -> Iterator[None]:
        """The main process holds a lock for all."""
        with lock:
            yield


ALONE = Processes()


def running_statistics(model: nn.Module) -> Iterable[Tensor]:
    """Buffers that a forward pass may change."""
    return (buffer for buffer in model.buffers() if buffer.is_floating_point())
