"""``train.compile``: torch.compile for the training steps, timed separately, and kept where it pays.

``auto`` is off on a CPU: compiling a small encoder took 42 s and gained nothing there (AMD Zen 4, bf16, 16 tokens), and
a choice by the clock would cost runs their equal bytes. On a GPU it is measured in the run itself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from dianji.engine.clock import Clock
from dianji.engine.state import Position
from dianji.errors import CapabilityError
from dianji.reporting import Reporter
from dianji.techniques.base import Progress

Mode = Literal["auto", "on", "off"]

#: Steps that are timed, after as many as it takes for memory, and then kernels for new shapes, to settle.
TIMED, WARM, WARM_COMPILED = 10, 3, 10
#: Seconds of training that must be left: compiling takes about one minute and seldom saves more than a fifth.
LEAST_LEFT = 300.0
#: The largest time of a compiled step, as a share of an eager one, for which compiling is kept.
KEPT_BELOW = 0.97


class Compilation:
    """Compiles one run's model in place, so that names of weights do not change, and undoes it at the end."""

    def __init__(self, mode: Mode, progress: Progress, position: Position, reporter: Reporter, clock: Clock) -> None:
        self._model = progress.model
        self._progress = progress
        self._position = position
        self._reporter = reporter
        self._clock = clock
        self._auto = mode == "auto" and self._device.type == "cuda"
        self._on = mode == "on"
        self._timed: list[float] = []
        self._eager: float | None = None  # seconds per token before compiling
        self._seen = 0  # steps since the last change
        self._pending = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around the training loop, when the position is known.

        Raises:
            CapabilityError: compiling is asked for, and cannot be done here.
        """
        if not (self._on or self._auto):
            yield
            return
        if self._on or self._position.compiled:
            require_compiler(self._device)
            self._compile()
        with _observed(self._begin, self._end):
            try:
                yield
            finally:
                self._undo()
                if self._position.compile_seconds:
                    self._reporter.say(
                        f"compiling took {self._position.compile_seconds:.0f} s, not counted as training"
                    )

    def eager(self) -> AbstractContextManager[None]:
        """Outside training steps: other modes and shapes would be compiled anew for a few batches."""
        if not self.compiled:
            return nullcontext()
        stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")  # at once: enter it at once
        return stance

    def took(self, agreed: Callable[[float], float]) -> float:
        """Seconds of compiling since this was asked last, as all processes see them; they go to the position's account.

        Args:
            agreed: gives every process the same number, since budgets and rates follow from it.
        """
        seconds, self._pending = agreed(self._pending), 0.0
        self._position.compile_seconds += seconds
        return seconds

    def after_step(self, seconds: float, tokens: int) -> None:
        """Measure a step and decide, in mode ``auto``. A run with a budget in minutes is left alone.

        Args:
            seconds: the step took, without compiling.
            tokens: in it, padding included.
        """
        left = self._progress.total_steps - self._progress.step
        if not self._auto or self._position.compiled is not None or not self._progress.total_steps:
            return
        self._seen += 1
        if self._seen > (WARM_COMPILED if self.compiled else WARM):
            self._timed.append(seconds / tokens)
        if len(self._timed) < TIMED:
            return
        found, self._timed, self._seen = statistics.median(self._timed), [], 0
        if self._eager is None:
            self._eager = found
            if found * tokens * left < LEAST_LEFT:
                self._decide(False, f"{found * tokens * left:.0f} s are left, too little for compiling to pay")
            else:
                self._compile()
            return
        share = found / self._eager
        self._decide(share < KEPT_BELOW, f"a compiled step takes {share:.0%} of an eager one")
        if share >= KEPT_BELOW:
            self._undo()

    @property
    def _device(self) -> torch.device:
        return next(self._model.parameters()).device

    @property
    def compiled(self) -> bool:
        """Whether the model is compiled now."""
        return getattr(self._model, "_compiled_call_impl", None) is not None

    def _compile(self) -> None:
        self._model.compile(dynamic=True)

    def _undo(self) -> None:
        self._model._compiled_call_impl = None

    def _decide(self, compiled: bool, reason: str) -> None:
        self._position.compiled = compiled
        self._reporter.say(
            f"compile: {'on' if compiled else 'off'} from here, since {reason}. A clock decided this: another run may "
            "differ in the last place of its numbers"
        )

    def _begin(self) -> None:
        self._began = time.perf_counter()
        self._clock.phase("compile").__enter__()

    def _end(self) -> None:
        self._clock.phase("compile").__exit__(None, None, None)
        self._pending += time.perf_counter() - self._began


def require_compiler(device: torch.device) -> None:
    """Have torch compile a few operations, which takes some seconds the first time.

    Raises:
        CapabilityError: it cannot; the message names the packages to install.
    """
    try:
        torch.compile(_few_operations)(torch.ones(8, device=device))
    except RuntimeError as error:  # every error of torch's compilers is one
        need = "triton and a C compiler" if device.type == "cuda" else "a C++ compiler and Python's headers"
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CapabilityError(
            f"train.compile: on, but torch cannot compile here ({reason:.300}). Install {need} (on Debian: apt install "
            "g++ python3-dev), or say compile: off."
        ) from error


def _few_operations(values: torch.Tensor) -> torch.Tensor:
    return (values.sin() + 1).sum()


@contextmanager
def _observed(begin: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    """Calls ``begin`` and ``end`` around every compilation, also around those of backward passes."""
    from torch._dynamo.callback import CallbackArgs, callback_handler  # which takes seconds to import

    def started(args: CallbackArgs) -> None:
        begin()

    def ended(args: CallbackArgs) -> None:
        end()

    callback_handler.register_start_callback(started)
    callback_handler.register_end_callback(ended)
    try:
        yield
    finally:
        callback_handler.remove_start_callback(started)
        callback_handler.remove_end_callback(ended)
