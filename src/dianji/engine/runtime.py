"""Device and precision of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch
from torch import nn

from dianji.engine.dropout import cheap_dropout
from dianji.engine.processes import ALONE, Processes
from dianji.errors import CapabilityError
from dianji.kernels.native import library, tiles

if TYPE_CHECKING:
    from accelerate import Accelerator

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class Runtime:
    """Device, precision, and accelerate's handling of both. One per stage."""

    accelerator: Accelerator
    precision: Precision
    processes: Processes = ALONE

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        device: torch.device = self.accelerator.device
        return device

    def place(self, model: nn.Module) -> None:
        """Put a model on the device; convolutions get their channels last, which is twice as fast on a CPU."""
        model.to(self.device)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not type it
        self.processes.unite(model)

    @contextmanager
    def products(self) -> Iterator[None]:
        """Matrix products in the run's precision; weights, norms and losses stay in fp32."""
        with self.accelerator.autocast():
            yield

    @contextmanager
    def training(self) -> Iterator[None]:
        """Around the forward and backward passes of an optimiser step."""
        with cheap_dropout() if self.device.type == "cpu" else nullcontext():
            yield

    def describe(self) -> str:
        """``cpu, bf16, 2 threads, compiled kernels``, and how many processes where there are several."""
        own = ""
        if self.device.type == "cpu":
            own = f", {torch.get_num_threads()} threads{', compiled kernels' if library.available() else ''}"
        return f"{self.device.type}, {self.precision}{own}{self.processes.describe()}"

    def identity(self) -> str:
        """``describe`` and which kernels these are: with the same words, a resumed run ends with the same bytes."""
        kernels = library.identity() if self.device.type == "cpu" else ""
        if not kernels:
            return self.describe()
        return f"{self.describe()}, kernels {kernels[:12]}{' with tiles' if tiles.available() else ''}"


def make_runtime(
    precision: str, *, track: tuple[str, ...] = (), folder: Path | None = None, processes: Processes = ALONE
) -> Runtime:
    """Choose device and precision. ``auto`` is bf16 where the hardware is built for it, else fp32.

    Raises:
        CapabilityError: the precision is not to be had here.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # accelerate keeps precision in a process-wide singleton; stages of one process may differ.
    AcceleratorState._reset_state()
    if torch.cuda.is_available():
        # Exact resume on a GPU; kernels without a deterministic form warn rather than stop the run.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    chosen = choose_precision(precision)
    if chosen == "fp16" and processes.launch.sharded:
        raise CapabilityError("precision fp16 does not go with sharded weights (FSDP); use bf16 or fp32")
    options: dict[str, Any] = {"log_with": list(track), "project_dir": str(folder)} if track and processes.main else {}
    try:
        with _unseen("ACCELERATE_USE_FSDP"):  # dividing weights is `processes`' business
            accelerator = Accelerator(mixed_precision="no" if chosen == "fp32" else chosen, **options)
    except (ImportError, ValueError) as error:
        raise CapabilityError(
            f"tracking with {', '.join(track)} is not possible ({error}). Install it, for instance with "
            '`pip install "dianji[track]"`, or take it out of `track`.'
        ) from error
    return Runtime(accelerator, chosen, processes)


@contextmanager
def _unseen(variable: str) -> Iterator[None]:
    """Hide an environment variable."""
    value = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[variable] = value


def choose_precision(precision: str) -> Precision:
    """The meaning of ``precision`` in a recipe on this machine.

    Raises:
        CapabilityError: it is not to be had here.
    """
    cuda = torch.cuda.is_available()
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported(including_emulation=False) if cuda else cpu_has_bf16()
        return "bf16" if fast else "fp32"
    if precision == "fp16" and not cuda:
        raise CapabilityError("precision fp16 needs a GPU; on a CPU use bf16 or fp32 (or auto, which chooses)")
    for known in get_args(Precision):
        if precision == known:
            return cast(Precision, known)
    raise CapabilityError(f"precision '{precision}' is not one of auto, fp32, bf16, fp16")


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware (AVX512-bf16 or AMX), as the kernel lists its features."""
    try:
        features = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = next((line for line in features.splitlines() if line.startswith("flags")), "").split()
    return bool({"avx512_bf16", "amx_bf16"} & set(flags))
