"""Several processes that train as one: each takes its rows of every batch, and gradients are summed.

Every process makes the same batches, since batches are a function of seed and epoch, and takes its rows of them. Losses
are summed per item and divided by the items of all, so the gradient is that of one process. Process 0 alone writes the
store; the others wait for it and read what it has written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TypeVar, TypeVarTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dianji.engine import sharding
from dianji.engine.gathering import Gathered
from dianji.engine.processes import Processes, Share, running_statistics
from dianji.engine.seeding import derive, seed_everything
from dianji.engine.watch import Watch, connect
from dianji.errors import CapabilityError, ResumeError, TrainingError
from dianji.launch import TOLD, Launch
from dianji.sharded import whole
from dianji.tasks.base import Batch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ARRIVAL = timedelta(minutes=10)  # until all processes have been started
PATIENCE = timedelta(days=7)  # for a process that is still there; one that is not is noticed by the watch
NOTICED = 5.0  # seconds in which the watch learns who is gone
BUCKET = 2**25  # bytes of gradients that are sent at once


class Collective(Processes):
    """One of several processes. Every method raises TrainingError when another process is lost."""

    echo = 5.0

    def __init__(self, launch: Launch, watch: Watch, group: dist.ProcessGroup) -> None:
        self.launch = launch
        self._watch = watch
        self._group = group
        self._skeleton: nn.Module | None = None  # of a model whose weights are sharded

    def describe(self) -> str:
        """``, 2 processes``; with another number, sums differ in their last bit."""
        return f", {self.count} processes{' that share the weights' if self.launch.sharded else ''}"

    def unite(self, model: nn.Module) -> None:
        """All processes get the main process's weights."""
        with self._translated():
            for tensor in (*model.parameters(), *model.buffers()):
                self._broadcast(tensor.detach())
            if self.launch.sharded:
                self._skeleton = sharding.shard(model, self.count)

    def whole(self, model: nn.Module) -> None:
        """The main process gets the whole weights, the others none. Does nothing unless weights are sharded."""
        if self._skeleton is not None:
            with self._translated():
                sharding.gather(model, self._skeleton, keep=self.main)
            self._skeleton = None

    def collected(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tensors go into main memory one after the other, so that a GPU holds at most one of them whole."""
        kept: dict[str, Tensor] = {}
        with self._translated():
            for name, tensor in tensors.items():
                found = whole(tensor)
                if self.main:
                    kept[name] = found.cpu() if found is not tensor else found
        return kept

    @property
    def rank(self) -> int:
        """Which process this is."""
        return self.launch.rank

    def gathered(self, model: nn.Module) -> nn.Module:
        """Each process runs the model on its own rows."""
        return Gathered(model, self)

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """By torch's collective of this name."""
        found = [torch.empty_like(tensor) for _ in range(self.count)]
        with self._translated():
            dist.all_gather(found, tensor.contiguous(), group=self._group)
        return found

    def share(self, batch: Batch, *, coupled: bool = False) -> Share:
        """Every ``count``-th row, so that each process gets short and long ones; all of them where they are coupled."""
        if coupled:
            return Share(batch)
        rows = {len(value) if isinstance(value, Tensor) and value.dim() else 0 for value in batch.values()}
        if len(rows) != 1 or 0 in rows:
            shapes = {name: getattr(value, "shape", None) for name, value in batch.items()}
            told = (f"{name} {'of several kinds' if shape is None else tuple(shape)}" for name, shape in shapes.items())
            raise CapabilityError(
                f"the task makes batches that are not rows of equal number ({', '.join(told)}), so they cannot be "
                "divided among several processes. Train in one process."
            )
        if self.launch.rank >= rows.pop():
            return Share({name: tensor[:1] for name, tensor in batch.items()}, counts=False)
        return Share({name: tensor[self.launch.rank :: self.count] for name, tensor in batch.items()})

    def seed(self, *where: int) -> None:
        """The seed includes the rank."""
        seed_everything(derive(*where, self.launch.rank))

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sums in buckets. Sharded gradients were summed in the backward pass."""
        if self.launch.sharded:
            return
        # A process whose rows did not reach a weight has no gradient for it, and must take part all the same.
        reached = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.uint8)
        with self._translated():
            self._reduce(reached, dist.ReduceOp.MAX)
            gradients = []
            for parameter, some in zip(parameters, reached.tolist(), strict=True):
                if some:
                    parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                    gradients.append(parameter.grad)
            for bucket in _buckets(gradients):
                flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
                self._reduce(flat, dist.ReduceOp.SUM)
                parts = torch.split(flat, [gradient.numel() for gradient in bucket])
                for gradient, part in zip(bucket, parts, strict=True):
                    gradient.copy_(part.view(gradient.shape))

    def follow(self, model: nn.Module) -> None:
        """By broadcast."""
        with self._translated():
            for buffer in running_statistics(model):
                self._broadcast(buffer)

    def total(self, items: int, value: float) -> tuple[int, float]:
        """In fp64, which represents the count of items exactly."""
        both = torch.tensor([items, value], dtype=torch.float64)
        with self._translated():
            self._reduce(both, dist.ReduceOp.SUM)
        return int(both[0]), float(both[1])

    def slowest(self, seconds: float) -> float:
        """The maximum."""
        return self._largest([seconds])[0]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """The maximum."""
        return tuple(found > 0 for found in self._largest([float(flag) for flag in flags]))

    def require_same(self, what: str, value: int) -> None:
        """The largest and the smallest must be the same."""
        most, negative = self._largest([float(value), -float(value)])
        if most != -negative:
            raise ResumeError(
                f"the processes stand at different places: {what} {int(-negative)} in one and {int(most)} in another. "
                "All must see the same store: put DIANJI_HOME on a file system that they share."
            )

    def on_main(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """As JSON, by broadcast."""
        if self.main:
            found = work(*arguments)
            text = json.dumps(found).encode()
            with self._translated():
                self._broadcast(torch.tensor([len(text)]))
                self._broadcast(torch.frombuffer(bytearray(text), dtype=torch.uint8))
            return found
        size = torch.zeros(1, dtype=torch.int64)
        with self._translated():
            self._broadcast(size)
            received = torch.empty(int(size), dtype=torch.uint8)
            self._broadcast(received)
        result: T = json.loads(received.numpy().tobytes())
        return result

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Two barriers: one for the main process, one for the others, so that it does not run ahead."""
        if not self.main:
            self.wait()
        yield
        if self.main:
            self.wait()
        self.wait()

    @contextmanager
    def hold(self, lock: AbstractContextManager[None]) -> Iterator[None]:
        """Until all processes have left the block."""
        with lock if self.main else nullcontext():
            yield
            self.wait()

    def wait(self) -> None:
        """Until all processes are here."""
        with self._translated():
            self._reduce(torch.zeros(1), dist.ReduceOp.SUM)

    def _largest(self, values: list[float]) -> list[float]:
        found = torch.tensor(values, dtype=torch.float64)
        with self._translated():
            self._reduce(found, dist.ReduceOp.MAX)
        return [float(value) for value in found.tolist()]

    def _reduce(self, tensor: Tensor, operation: dist.ReduceOp.RedOpType) -> None:
        dist.all_reduce(tensor, operation, group=self._group)

    def _broadcast(self, tensor: Tensor) -> None:
        whole = tensor.contiguous()
        dist.broadcast(whole, 0, group=self._group)
        if whole is not tensor:
            tensor.copy_(whole)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Around communication: torch's errors name the broken connection, not the process that is lost."""
        try:
            yield
        except RuntimeError as error:
            loss = self._watch.loss(within=NOTICED)
            raise TrainingError(
                loss or f"the processes cannot reach each other any more: {error}. Run the same command again to go on."
            ) from error


@contextmanager
def collective(launch: Launch) -> Iterator[Collective]:
    """All processes of a launch, until the block ends.

    A process that leaves by an error takes the others with it: they raise TrainingError, and within 30 seconds all have
    ended.

    Raises:
        CapabilityError: the processes cannot reach each other.
    """
    group = _group(launch)
    try:
        watch = connect(launch, os.environ["MASTER_ADDR"], lambda port: _agree(port, group))
    except (OSError, RuntimeError) as error:
        raise _unreachable(launch, error) from error
    processes = Collective(launch, watch, group)
    try:
        yield processes
        processes.wait()
    except BaseException as error:
        heard = watch.leave(str(error) or type(error).__name__)
        if not launch.main and (watch.reported or (heard and not watch.loss(within=0))):
            error.add_note(TOLD)
        raise
    else:
        watch.leave(None)
    finally:
        dist.destroy_process_group()
        watch.end()


def _group(launch: Launch) -> dist.ProcessGroup:
    """The process group: Gloo between CPUs, NCCL between GPUs where each process has its own."""
    gpus = torch.cuda.device_count() if os.environ.get("ACCELERATE_USE_CPU", "").lower() != "true" else 0
    if gpus:
        torch.cuda.set_device(launch.local_rank % gpus)
    backend = "cpu:gloo,cuda:nccl" if gpus >= launch.local_count else "cpu:gloo,cuda:gloo" if gpus else "gloo"
    try:
        dist.init_process_group(backend, rank=launch.rank, world_size=launch.count, timeout=ARRIVAL)
        group: dist.ProcessGroup = dist.new_group(timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise _unreachable(launch, error) from error
    return group


def _unreachable(launch: Launch, error: Exception) -> CapabilityError:
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    return CapabilityError(
        f"process {launch.rank} cannot reach the other ones of {launch.count} at {where} ({error}). Check that all "
        "were started with the same MASTER_ADDR and MASTER_PORT, and that no firewall is between them."
    )


def _agree(number: int, group: dist.ProcessGroup) -> int:
    shared = torch.tensor([number])
    dist.broadcast(shared, 0, group=group)
    return int(shared)


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients of one kind, in their order, up to so many bytes at a time."""
    bucket: list[Tensor] = []
    size = 0
    for gradient in gradients:
        kind = (gradient.dtype, gradient.device)
        if bucket and (size + gradient.nbytes > BUCKET or kind != (bucket[0].dtype, bucket[0].device)):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.nbytes
    if bucket:
        yield bucket
