"""The interface of the processes that train together. There is one, unless a launcher started several.

``Processes`` is a single process and changes nothing; ``collective.py`` has the other case.
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
    """A process's rows of a batch. With fewer rows than processes, some compute one row that does not count."""

    batch: Batch
    counts: bool = True

    def counted(self, loss: Loss) -> Loss:
        """The loss of these rows; of no items if they are only computed so that all processes take the same steps."""
        return loss if self.counts else loss._replace(items=0)


class Processes:
    """A single process."""

    launch = Launch()
    #: Seconds in which a signal may come twice: from the terminal, and handed on by the launcher.
    echo = 0.0

    @property
    def count(self) -> int:
        """The number of processes that train together."""
        return self.launch.count

    @property
    def main(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.launch.main

    def describe(self) -> str:
        """An addition to the description of device and precision."""
        return ""

    def unite(self, model: nn.Module) -> None:
        """Give every process the same weights, sharded among them if that was asked for."""

    def whole(self, model: nn.Module) -> None:
        """Put sharded weights together again."""

    def collected(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The whole tensors, for the main process to write. The others get none."""
        return tensors

    def share(self, batch: Batch, *, coupled: bool = False) -> Share:
        """This process's rows of a batch; every process has made the same batch. All rows where the loss couples them.

        Raises:
            CapabilityError: the batch is not made of rows.
        """
        return Share(batch)

    def gathered(self, model: nn.Module) -> nn.Module:
        """The model as a loss that couples examples sees it: outputs for all rows, whoever computes them."""
        return model

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, which have one shape, in the order of their ranks."""
        return [tensor]

    def seed(self, *where: int) -> None:
        """Seed the random numbers from here on (dropout) for this process."""

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace gradients by their sum over all processes."""

    def follow(self, model: nn.Module) -> None:
        """Replace running statistics, which each process computes on its own rows, by those of the main process."""

    def total(self, items: int, value: float) -> tuple[int, float]:
        """Sums over all processes."""
        return items, value

    def slowest(self, seconds: float) -> float:
        """The maximum over all processes."""
        return seconds

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is set in some process."""
        return flags

    def require_same(self, what: str, value: int) -> None:
        """Refuse to go on where processes stand at different places.

        Raises:
            ResumeError: they do.
        """

    def on_main(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """The result of ``work`` in the main process. The others wait for it, and get the same plain JSON values."""
        return work(*arguments)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through the block before the others, which find the files that it has written."""
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
