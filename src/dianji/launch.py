"""The launch of this process: alone, or as one of several by torchrun, accelerate or by hand. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from dianji.errors import CapabilityError

#: A note to an error that process 0 tells, so that a person reads it once.
TOLD = "Process 0 tells this."
#: Where process 0 is to be found; every launcher says it.
_NEEDED = ("MASTER_ADDR", "MASTER_PORT")
_BY_HAND = "Start them with: torchrun --nproc-per-node 2 -m dianji run RECIPE"


@dataclass(frozen=True)
class Launch:
    """One of ``count`` processes that do one piece of work together; the one of rank 0 writes and speaks for all."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0  # among the processes of this machine
    local_count: int = 1
    sharded: bool = False  # weights, gradients and optimiser states are sharded among the processes (FSDP)

    @property
    def main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0


def launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """Read the variables that torchrun and ``accelerate launch`` set.

    Raises:
        CapabilityError: they are incomplete or no numbers.
    """
    count = _number(environment, "WORLD_SIZE", 1)
    if count == 1 or not environment.get("RANK"):  # some clusters tell how many there could be
        return Launch()
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        raise CapabilityError(f"WORLD_SIZE is {count}, but {', '.join(missing)} is not set. {_BY_HAND}")
    rank = _number(environment, "RANK", 0)
    if rank >= count:
        raise CapabilityError(f"RANK is {rank}, expected a number from 0 to {count - 1} (WORLD_SIZE - 1). {_BY_HAND}")
    return Launch(
        rank=rank,
        count=count,
        local_rank=_number(environment, "LOCAL_RANK", rank),
        local_count=_number(environment, "LOCAL_WORLD_SIZE", count),
        sharded=environment.get("ACCELERATE_USE_FSDP", "").lower() in {"1", "true", "yes"},
    )


def refuse_several(what: str, instead: str = "") -> None:
    """Refuse to do ``what`` in several processes at once.

    Raises:
        CapabilityError: this is one of several.
    """
    count = launch().count
    if count > 1:
        raise CapabilityError(
            f"{what} works in one process, and {count} were started. Start it without torchrun or accelerate. {instead}"
        )


def lonely(environment: Mapping[str, str] = os.environ) -> str | None:
    """A warning for a launch of several processes that started one, as ``accelerate launch --cpu`` does."""
    asked = environment.get("ACCELERATE_USE_CPU", "").lower() == "true" and "MASTER_ADDR" in environment
    if not asked or "WORLD_SIZE" in environment:
        return None
    return (
        "accelerate launch --cpu starts one process, whatever --num_processes says (several only by mpirun). "
        "For several on a CPU: torchrun --nproc-per-node N …, or accelerate launch --multi_gpu --num_processes N …"
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise CapabilityError(f"the environment variable {name} is '{text}', expected a whole number. {_BY_HAND}")
    return int(text)
