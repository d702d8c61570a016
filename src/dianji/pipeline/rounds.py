"""Run the rounds of a stage's procedure, each by the loop; a run that was killed goes on in the round it was in.

A finished round leaves its weights and figures in ``rounds/<number>``, so that the next one can be begun again from
them. The last round leaves its weights in the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dianji.engine.clock import Clock
from dianji.engine.evaluation import Evaluator, values
from dianji.engine.frozen.state_store import StateStore
from dianji.engine.job import Job, Trained
from dianji.engine.learn import LearningPlan, learn
from dianji.engine.runtime import Runtime
from dianji.engine.seeding import derive
from dianji.pipeline.encoded import encoded, examples_digest
from dianji.pipeline.plan import Work
from dianji.pipeline.ready import Ready
from dianji.procedures.base import Material, Round
from dianji.reporting import Reporter
from dianji.store.atomic import new_folder, write_json
from dianji.store.steps import Store
from dianji.tasks.base import Prediction

_WEIGHTS, _DONE = "weights.safetensors", "round.json"


@dataclass(frozen=True)
class Place:
    """The place of a stage's run, and its reporter."""

    runtime: Runtime
    store: Store
    reporter: Reporter
    clock: Clock


def run_rounds(work: Work, ready: Ready, place: Place) -> Trained:
    """Every round that is not done, in order. A single round uses the step's own folder.

    Raises:
        TrainingError: see ``learn``.
        Interrupted: a signal came; the checkpoint is written.
    """
    return _Rounds(work, ready, place).run()


@dataclass(frozen=True)
class _Finished:
    """A round that is done."""

    scores: Mapping[str, float]
    trained: Trained


class _Rounds:
    def __init__(self, work: Work, ready: Ready, place: Place) -> None:
        self.work = work
        self.ready = ready
        self.place = place
        self.model: nn.Module = ready.learnt.model.model
        self.folder = work.step.folder / "rounds"

    def run(self) -> Trained:
        if self.work.procedure.single:
            return self._learn(self.ready.examples["train"], self.ready.digests["train"], self.work.step.folder, 0)
        done: list[_Finished] = []
        first, following = self._weights(), self._next(done)
        while following is not None:
            found = self._found(following)
            if found is None:
                if following.fresh and following.number:
                    self._put(first)
                found = self._round(following)
            done.append(found)
            following = self._next(done)
        return _summed([of.trained for of in done])

    def _next(self, done: Sequence[_Finished]) -> Round | None:
        return self.work.procedure.next([of.scores for of in done])

    def _rows(self, of: Round) -> pa.Table:
        learnt, train = self.ready.learnt, self.work.data.splits["train"]

        def predict(rows: pa.Table) -> Sequence[Prediction]:
            inputs = rows.select([name for name in rows.column_names if name not in learnt.task.targets])
            examples = learnt.task.encode(inputs, learnt.base)
            outputs = Evaluator(learnt.task, self.model, learnt.base, self.work.seed).outputs(examples)
            return learnt.task.predictions(outputs, inputs, learnt.base)

        seed = derive(self.work.seed, 100, of.number)
        return self.work.procedure.rows(of, Material(train, seed, predict if of.number else None))

    def _round(self, of: Round) -> _Finished:
        folder = self.folder / f"{of.number:03d}"
        rows = self._rows(of)
        learnt = self.ready.learnt
        digest = examples_digest(learnt.task, [self.work.step.digest, "round", str(of.number)])
        examples = encoded(self.place.store, learnt.task, learnt.base, rows, digest)
        self.place.reporter.say(f"{self.work.name}: round {of.number + 1}, {rows.num_rows:,} rows")
        trained = self._learn(examples, digest, folder, of.number)
        return self._keep(of, _Finished(self._scores(), trained))

    def _learn(self, examples: pa.Table, digest: str, folder: Path, number: int) -> Trained:
        work, learnt, place = self.work, self.ready.learnt, self.place
        job = Job(
            name=work.name if not number else f"{work.name}, round {number + 1}",
            task=learnt.task,
            base=learnt.base,
            model=learnt.model,
            adaptation=work.adaptation,
            techniques=work.techniques,
            train=work.train,
            examples=examples,
            validation=self.ready.examples.get("validation"),
            seed=derive(work.seed, 101, number) if number else work.seed,
        )
        plan = LearningPlan(work.to_the_optimum, {**self.ready.digests, "train": digest})
        states = StateStore(place.store.cache, work.name, place.reporter)
        return learn(job, plan, place.runtime, folder, states, place.clock)

    def _scores(self) -> Mapping[str, float]:
        learnt, rows = self.ready.learnt, self.ready.examples.get("validation")
        if rows is None:
            return {}
        evaluator = Evaluator(learnt.task, self.model, learnt.base, self.work.seed)
        return values(evaluator.outcome(rows, "score"), learnt.task.epoch_metrics)

    def _keep(self, of: Round, finished: _Finished) -> _Finished:
        """The main process writes; all leave with the same weights in the model."""
        target = self.folder / f"{of.number:03d}" / "done"
        self.place.runtime.processes.on_main(_write, target, self._weights(), finished)
        return finished

    def _found(self, of: Round) -> _Finished | None:
        folder = self.folder / f"{of.number:03d}" / "done"
        if not (folder / _DONE).exists():
            return None
        told = json.loads((folder / _DONE).read_text(encoding="utf-8"))
        self._put(load_file(folder / _WEIGHTS))
        return _Finished(told["scores"], Trained(**told["trained"]))

    def _weights(self) -> dict[str, Tensor]:
        """Copies of everything that a round may change."""
        learning = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        found = {**learning, **dict(self.model.named_buffers())}
        return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in found.items()}

    def _put(self, weights: Mapping[str, Tensor]) -> None:
        live = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        with torch.no_grad():
            for name, tensor in weights.items():
                live[name].copy_(tensor)


def _write(target: Path, weights: dict[str, Tensor], finished: _Finished) -> None:
    with new_folder(target) as folder:
        save_file(weights, folder / _WEIGHTS)
        write_json(folder / _DONE, {"scores": dict(finished.scores), "trained": asdict(finished.trained)})


def _summed(trained: Sequence[Trained]) -> Trained:
    """The figures of all rounds; the reason is that of the last one."""
    totals: dict[str, Any] = {
        name: sum(getattr(of, name) for of in trained) for name in ("seconds", "samples", "steps", "compile_seconds")
    }
    return replace(trained[-1], **totals)
