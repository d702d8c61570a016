"""Forecasts the cost of training from a short part of it; run as ``python -m dianji.pipeline.advise.trial``.

A process of its own has the peak memory of one candidate alone, and leaves nothing behind for the next one. It does the
same as a run: it reads some rows through the frozen part and extrapolates to the others; it fits a linear head to their
features; or it takes three steps of the training loop, on a short, a middling and a long batch.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pyarrow as pa

from dianji.artefact.save import count
from dianji.bases.resolve import resolve
from dianji.engine.evaluation import Evaluator
from dianji.engine.frozen.contract import WHOLE
from dianji.engine.frozen.graph_split import GraphSplit
from dianji.engine.frozen.shapes import NotSplittable
from dianji.engine.frozen.states import Fresh, Reader
from dianji.engine.job import Job
from dianji.engine.learn import frozen_part, on_the_disk, reader_of
from dianji.engine.loop import Training
from dianji.engine.memory import peak_mb, reset_peak, steady_memory
from dianji.engine.runtime import Runtime, make_runtime
from dianji.engine.seeding import seed_everything
from dianji.errors import DianjiError, TrainingError
from dianji.pipeline.advise.one_time_cost import fit_some, read, read_some, renumbered
from dianji.pipeline.plan import Work
from dianji.registry import from_record, record_of
from dianji.reporting import Silent
from dianji.spec.sections import NewBase, Train

Device = Literal["auto", "cpu", "cuda"]

#: Training rows that a trial sees: enough for the lengths of batches to be those of all rows.
MOST_ROWS = 4096
#: Held-out rows that are predicted to time it.
PREDICTED = 256
TIMED = 3
#: Each timed step is taken again until so much time was measured; the median counts.
LEAST_SECONDS, MOST_PASSES = 0.5, 8
#: A candidate that cannot take its steps in this time is too slow for this machine.
MOST_SECONDS = 300.0


@dataclass(frozen=True)
class Trial:
    """The measurements of one stage, and the forecast for its whole training."""

    steps: int  # that the whole training would take
    seconds_per_step: float
    samples_per_second: float
    encode_seconds: float  # for all rows
    validate_seconds: float  # measuring after each epoch
    measure_seconds: float  # measuring at the end, in full precision
    start_seconds: float  # until the first step: imports, the base, the head
    peak_memory_mb: float
    parameters: int
    trained_parameters: int
    once_seconds: float = 0.0  # reading frozen states, before the first step

    @property
    def train_seconds(self) -> float:
        """Seconds as a run reports them: optimiser steps, and reading frozen states once before them."""
        return self.once_seconds + self.steps * self.seconds_per_step

    @property
    def epochs_seconds(self) -> float:
        """Seconds that grow with the number of epochs."""
        return self.steps * self.seconds_per_step + self.validate_seconds

    @property
    def seconds(self) -> float:
        """Seconds until the stage is measured; without its baselines."""
        before = self.start_seconds + self.encode_seconds + self.once_seconds
        return before + self.epochs_seconds + self.measure_seconds

    def shortened(self, share: float) -> Trial:
        """The same stage with a share of its epochs."""
        steps = max(1, round(self.steps * share))
        return dataclasses.replace(self, steps=steps, validate_seconds=self.validate_seconds * share)


def trial(work: Work, base: str | Mapping[str, Any], device: Device = "auto") -> Trial:
    """Measure a planned stage.

    Args:
        work: the stage. Its cost does not depend on the weights that earlier stages have learnt.
        base: the base of the first stage, as in a recipe.
        device: ``auto`` is the device that a run would use.

    Raises:
        DianjiError: the stage cannot be trained here; says why.
    """
    table = _sample(work.data.splits["train"], MOST_ROWS)
    request = {
        "task": record_of(work.task.fit(work.data.splits["train"])),
        "adaptation": record_of(work.adaptation),
        "train": work.train.model_dump(mode="json"),
        "to_the_optimum": work.to_the_optimum,
        "base": base,
        "rows": {name: split.num_rows for name, split in work.data.splits.items()},
        # A run also holds the rows that the trial lacks.
        "held_mb": (sum(split.nbytes for split in work.data.splits.values()) - table.nbytes) / 2**20,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        answer = _ask({**request, "table": str(path), "folder": folder}, device)
    return Trial(**answer)


def _ask(request: Mapping[str, Any], device: Device) -> dict[str, Any]:
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dianji.pipeline.advise.trial"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            env=environment,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise TrainingError(f"a few steps took more than {MOST_SECONDS / 60:g} minutes") from None
    if not done.stdout.strip():  # killed, most likely for its memory
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "without a word")
        raise TrainingError(f"the trial ended with exit code {done.returncode}: {last[:300]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "fault" in answer:
        raise TrainingError(str(answer["fault"]))
    return answer


def _sample(table: pa.Table, most: int) -> pa.Table:
    """Rows spread evenly over the table, so that a table sorted by label or date is sampled from end to end."""
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))


def main() -> None:
    """Read a request from standard input, answer on standard output."""
    began = psutil.Process().create_time() + time.perf_counter() - time.time()  # imports count, and are over by now
    request = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):  # output of libraries must not mix with the answer
        try:
            answer: dict[str, Any] = asdict(measure(request, began))
        except DianjiError as error:
            answer = {"fault": str(error)}
    print(json.dumps(answer))  # noqa: T201  # the answer is this program's output


def measure(request: Mapping[str, Any], began: float) -> Trial:
    """Time each part of a stage briefly; ``began`` is the start of this process."""
    reset_peak()
    stage = _Stage.of(request)
    start_seconds = time.perf_counter() - began - stage.encode_seconds
    found = _fitted(stage) or _looped(stage)
    rows = stage.rows
    held_out = rows.get("validation", 0) + rows.get("test", 0)
    return Trial(
        steps=max(1, found.steps),
        seconds_per_step=found.seconds_per_step,
        samples_per_second=found.samples_per_second,
        encode_seconds=stage.encode_seconds * stage.share(*rows),
        validate_seconds=found.validate_seconds,
        measure_seconds=stage.seconds_per_row(precise=True) * held_out,
        start_seconds=start_seconds,
        peak_memory_mb=found.peak_memory_mb + request["held_mb"],
        parameters=stage.parameters,
        trained_parameters=stage.trained_parameters,
        once_seconds=found.once_seconds,
    )


@dataclass(frozen=True)
class _Learning:
    """The forecast cost of learning, by either method; fields as in ``Trial``."""

    steps: int
    seconds_per_step: float
    samples_per_second: float
    validate_seconds: float
    peak_memory_mb: float
    once_seconds: float


@dataclass(frozen=True)
class _Stage:
    """A stage, prepared on the rows of the trial."""

    job: Job
    runtime: Runtime
    folder: Path
    to_the_optimum: bool
    rows: Mapping[str, int]  # of every split, all of them
    sampled: int
    encode_seconds: float
    parameters: int
    trained_parameters: int
    #: The split of its model, and the reader of its examples; None where the whole model runs in every step.
    frozen: tuple[GraphSplit, Reader] | None
    cut_seconds: float  # to find that

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> _Stage:
        """Prepare the base with its head and adaptation, and encode the rows."""
        with pa.memory_map(request["table"]) as file:
            table = pa.ipc.open_file(file).read_all()
        task, adaptation = from_record("task", request["task"]), from_record("adaptation", request["adaptation"])
        train = Train.model_validate_json(json.dumps(request["train"]))
        spec = request["base"]
        source = resolve(spec if isinstance(spec, str) else NewBase.model_validate(spec), task.modality)
        base = source.prepare(task.corpus(table))
        began = time.perf_counter()
        examples = task.encode(table, base)
        encode_seconds = time.perf_counter() - began
        seed_everything(0)
        model = task.model(base)
        adaptation.attach(model)
        parameters, trained = count(model.model)
        job = Job("trial", task, base, model, adaptation, (), train, examples, None, 0)
        runtime = make_runtime(train.precision)
        runtime.place(model.model)
        began = time.perf_counter()
        reader = reader_of(job, runtime)
        try:
            frozen = frozen_part(job, reader), reader
        except NotSplittable:
            frozen = None
        return cls(
            job,
            runtime,
            Path(request["folder"]),
            request["to_the_optimum"],
            request["rows"],
            table.num_rows,
            encode_seconds,
            parameters,
            trained,
            frozen,
            time.perf_counter() - began,
        )

    def share(self, *splits: str) -> float:
        """The number of rows in these splits, divided by the trial's rows."""
        return sum(self.rows.get(split, 0) for split in splits) / self.sampled

    def seconds_per_row(self, *, precise: bool, frozen: tuple[GraphSplit, Reader] | None = None) -> float:
        """Seconds of an evaluation per row: in fp32 as at the end, or as between epochs, with frozen states."""
        job = self.job
        rows: pa.Table = job.examples.slice(0, PREDICTED)
        number = int(rows.num_rows)
        states = None if frozen is None else read(*frozen, np.arange(number)).states
        began = time.perf_counter()
        with nullcontext() if precise else self.runtime.products():
            Evaluator(job.task, job.model.model, job.base, 0, states or WHOLE).outputs(rows, "score")
        return (time.perf_counter() - began) / number


def _fitted(stage: _Stage) -> _Learning | None:
    """The cost of fitting a linear head to frozen features; None where the run would not do that."""
    if stage.frozen is None or not stage.to_the_optimum:
        return None
    cut, reader = stage.frozen
    some = read_some(cut, reader)
    try:
        fitting = fit_some(stage.job, some, stage.rows, stage.folder)
    except NotSplittable:
        return None
    once = stage.cut_seconds + some.seconds_per_token * int(reader.lengths.sum()) * stage.share("train", "validation")
    samples = fitting.passes * stage.rows["train"]
    return _Learning(
        steps=fitting.iterations,
        seconds_per_step=fitting.seconds / max(1, fitting.iterations),
        samples_per_second=samples / (once + fitting.seconds),
        validate_seconds=0.0,  # which is part of fitting
        peak_memory_mb=peak_mb() + fitting.more_mb,
        once_seconds=once,
    )


def _looped(stage: _Stage) -> _Learning:
    """The cost of the loop, from three steps, on frozen states where there are any."""
    training = Training(stage.job, stage.runtime, stage.folder, Silent())
    context = training.context
    course = context.order.steps(0)
    chosen, heaviest = _spread([_weight(step, context.order.lengths) for step in course])
    steps = [course[number] for number in (heaviest, *chosen)]
    once, known = 0.0, None
    if stage.frozen is not None:
        cut, reader = stage.frozen
        once = stage.cut_seconds
        if on_the_disk(stage.job.train, to_the_optimum=False):
            tokens = int(reader.lengths.sum()) * stage.share("train", "validation")
            once += read_some(cut, reader).seconds_per_token * tokens
            places, steps = renumbered(steps)
            few = read(cut, reader, places)
            context.job, known = (
                dataclasses.replace(stage.job, examples=few.examples, states=few.states),
                stage.frozen,
            )
        else:
            # Proving sizes of groups is done once, and not in every step.
            context.job = dataclasses.replace(stage.job, states=Fresh(cut, reader, as_stored=False))
    with steady_memory():
        training.step(steps[0], Silent())  # warms up, and takes the most memory
        taken = [_timed(training, step) for step in steps[1:]]
    peak = peak_mb()
    seconds = sum(taken) / len(taken)
    share, train = stage.share("train"), stage.job.train  # more rows give more steps of the same kind
    if train.minutes is not None:
        number = round(train.minutes * 60 / seconds)
    else:
        number = context.progress.total_steps if train.steps else round(context.progress.total_steps * share)
    every = train.evaluate_every or max(1.0, len(course) * share)
    stage.seconds_per_row(precise=False)  # warms up
    validated = stage.rows.get("validation", 0) * max(1, round(number / every))
    return _Learning(
        steps=number,
        seconds_per_step=seconds,
        samples_per_second=sum(sum(map(len, step)) for step in steps[1:]) / len(chosen) / seconds,
        validate_seconds=stage.seconds_per_row(precise=False, frozen=known) * validated,
        peak_memory_mb=peak,
        once_seconds=once,
    )


def _weight(step: Sequence[np.ndarray], lengths: np.ndarray) -> int:
    """Tokens of a step's batches, padding included."""
    return sum(int(lengths[batch].max()) * len(batch) for batch in step)


def _spread(weights: Sequence[int]) -> tuple[list[int], int]:
    """The steps in the middle of the lightest, the middling and the heaviest third, and the heaviest of all."""
    order = np.argsort(weights, kind="stable")
    places = (np.arange(1, 2 * TIMED, 2) / (2 * TIMED) * len(order)).astype(np.int64)
    return [int(order[place]) for place in places], int(order[-1])


def _timed(training: Training, step: list[Any]) -> float:
    """Seconds of one optimiser step: the median of several passes."""
    passes: list[float] = []
    while len(passes) < MOST_PASSES and (len(passes) < 2 or sum(passes) < LEAST_SECONDS):
        before = training.context.position.seconds
        training.step(step, Silent())
        passes.append(training.context.position.seconds - before)
    return statistics.median(passes)


if __name__ == "__main__":
    main()
