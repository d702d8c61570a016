"""The state of a run: its parts, and its position. Restoring it resumes the run exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from dianji.engine import checkpoint
from dianji.engine.checkpoint import Snapshot
from dianji.engine.runtime import Runtime
from dianji.techniques.base import Listener, Progress, State


@dataclass
class Position:
    """The place of a run in the data, and the cost so far. Changes from step to step."""

    epoch: int = 0  # whole epochs done
    step: int = 0  # optimiser steps done in this epoch
    samples: int = 0
    seconds: float = 0.0
    evaluated_at: int = -1  # the step after which the validation split was scored last
    division: int = 1  # parts that a micro-batch is taken in, since memory ran out
    compiled: bool | None = None  # the result of a measurement of compiling; None: there was none
    compile_seconds: float = 0.0  # not part of ``seconds``

    @property
    def spent(self) -> float:
        """Seconds of a wall-clock budget."""
        return self.seconds + self.compile_seconds


@dataclass(frozen=True)
class RunState:
    """The parts of a run that change. Law: ``unpack`` of ``pack``'s snapshot restores them."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    listeners: Sequence[Listener]
    progress: Progress
    position: Position
    runtime: Runtime

    def pack(self) -> Snapshot:
        """Weights that learn and buffers that change, optimiser, techniques, loss scaler, position."""
        snapshot = Snapshot()
        snapshot.add("model", checkpoint.learnt(self.model), {})
        snapshot.add("optimizer", *checkpoint.pack_optimizer(self.optimizer))
        for number, listener in enumerate(self.listeners):
            state = listener.state()
            snapshot.add(f"technique-{number}", state.tensors, state.values)
        snapshot.values["scaler"] = self._scaler.state_dict() if self._scaler is not None else {}
        snapshot.values["progress"] = {
            "step": self.progress.step,
            "epoch": self.progress.epoch,
            "stop_reason": self.progress.stop_reason,
        }
        snapshot.values["position"] = asdict(self.position)
        snapshot.values["where"] = self.runtime.identity()
        snapshot.tensors = self.runtime.processes.collected(snapshot.tensors)
        return snapshot

    def unpack(self, snapshot: Snapshot) -> str:
        """Put everything back; returns the description of the snapshot's device (``cpu, bf16, 2 threads``)."""
        checkpoint.put_back(self.model, snapshot.part("model")[0])
        checkpoint.unpack_optimizer(self.optimizer, *snapshot.part("optimizer"))
        for number, listener in enumerate(self.listeners):
            listener.restore(State(*snapshot.part(f"technique-{number}")))
        if self._scaler is not None:
            self._scaler.load_state_dict(snapshot.values["scaler"])
        for part, values in (
            (self.progress, snapshot.values["progress"]),
            (self.position, snapshot.values["position"]),
        ):
            for name, value in values.items():
                setattr(part, name, value)
        return str(snapshot.values["where"])

    @property
    def _scaler(self) -> Any:
        return self.runtime.accelerator.scaler
