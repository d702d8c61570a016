"""A linear head on frozen features, fitted to its optimum instead of trained step by step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from dianji.adapt.base import Adaptation, head_only
from dianji.engine.evaluation import Evaluator, values
from dianji.engine.frozen.shapes import NotSplittable
from dianji.engine.frozen.states import Reader, StoredStates
from dianji.engine.frozen.trace import evaluating
from dianji.engine.job import Job, Trained
from dianji.engine.logistic import FeatureRows, Fitted, fit_path
from dianji.errors import RecipeError, TrainingError
from dianji.evaluate.outcome import Outcome
from dianji.registry import REGISTRY
from dianji.reporting import Reporter
from dianji.spec.section import Component
from dianji.spec.sections import Train
from dianji.store.events import Events
from dianji.tasks.base import Task

#: Keys of ``Train`` by which a recipe asks for the loop. What only says where and how precisely is not among them.
OF_THE_LOOP = (
    "epochs", "steps", "minutes", "batch_size", "batch_tokens", "accumulate", "optimizer", "schedule", "learning_rate",
    "head_learning_rate", "weight_decay", "clip_norm", "evaluate_every",
)  # fmt: skip
CHECKED = 16  # examples on which the head must compute the expected loss


def asked_for(where: str, train: Train, task: Task, adaptation: Adaptation, techniques: Sequence[object]) -> bool:
    """Whether a stage's head is to be fitted to its optimum, as far as a recipe can tell.

    Args:
        where: begins a fault: ``bank.yaml, line 14: stages.intent.train.solver``.
        train: as the recipe has it.
        task: of the stage.
        adaptation: of the stage.
        techniques: of the stage.

    Raises:
        RecipeError: ``solver: lbfgs`` was asked for where it cannot be.
    """
    if train.solver == "loop":
        return False
    reasons = _against(train, task, adaptation, techniques)
    if reasons and train.solver == "lbfgs":
        raise RecipeError(f"{where}: lbfgs fits a linear head on frozen features. {'; '.join(reasons)}.")
    return not reasons


def _against(train: Train, task: Task, adaptation: Adaptation, techniques: Sequence[object]) -> list[str]:
    given = [key for key in OF_THE_LOOP if _plain(getattr(train, key), key) != _plain(_DEFAULTS[key], key)]
    found = {
        "Here more than the head learns: use adapt: frozen": not head_only(adaptation),
        "This task has not one label per row: use solver: loop": not task.linear_head,
        "This task moves its images at random: set flip: false and crop: 0": task.random_batches,
        "Techniques are parts of the loop: leave them out": bool(techniques),
        f"{', '.join(given)} belong to the loop: leave them out, or use solver: loop": bool(given),
    }
    return [reason for reason, holds in found.items() if holds]


_DEFAULTS = {key: Train.model_fields[key].default for key in OF_THE_LOOP}


def _plain(value: Any, key: str) -> object:
    """Components as they are built, so that one with its defaults written out is the same."""
    return REGISTRY.build(key, value.name, value.arguments) if isinstance(value, Component) else value


@dataclass(frozen=True)
class Head:
    """The linear layer that learns, with the features and class numbers of the training rows."""

    layer: nn.Linear
    train: FeatureRows
    held_out: FeatureRows | None


def find_head(job: Job, reader: Reader, states: StoredStates, held_out: StoredStates | None) -> Head:
    """The job's head, if it is nothing but a linear layer with cross-entropy.

    Args:
        job: whose model is on the device.
        reader: of the training examples.
        states: of the training examples.
        held_out: of the validation examples.

    Raises:
        NotSplittable: it is something else; the message names it.
    """
    layer = _only_layer(job.model.model)
    if states.cut.ragged:
        raise NotSplittable("it reads every token, not one summary of an example")
    train = FeatureRows(states.rows(), _targets(job, job.examples, states))
    _require_regression(reader, layer, states, train)
    if held_out is None or job.validation is None:
        return Head(layer, train, None)
    return Head(layer, train, FeatureRows(held_out.rows(), _targets(job, job.validation, held_out)))


def fit(job: Job, head: Head, folder: Path, states: StoredStates | None, reporter: Reporter) -> Trained:
    """Fit the head, and write its weights into the model. Nothing is saved on the way: killed, it begins anew.

    Args:
        job: see ``find_head``.
        head: of the job.
        folder: the step's, for its event log.
        states: of the validation examples.
        reporter: receives messages and progress.

    Raises:
        TrainingError: features are not finite.
    """
    began = time.monotonic()
    if not np.isfinite(head.train.features).all():
        raise TrainingError(f"stage {job.name}: features of the frozen base are not finite. Use precision: fp32.")
    events = Events(folder / "events.jsonl")
    events.rewind(-1)
    path: list[dict[str, Any]] = []
    found: Fitted | None = None
    with reporter.work(job.name, None, "strengths") as meter:
        for tried in fit_path(head.train, head.held_out, head.layer.out_features):
            if isinstance(tried, Fitted):
                found = tried
                break
            path.append(asdict(tried))
            events.write("strength", **path[-1])
            meter.advance(1, accuracy=tried.accuracy)
    if found is None:
        raise TrainingError(f"stage {job.name}: there is nothing to fit")
    _put(head.layer, found.weights)
    chosen = asdict(found.chosen)
    fitted = {"loss": found.loss, "largest_gradient": found.gradient, "iterations": found.iterations}
    events.write("solved", step=found.iterations, chosen=chosen, **fitted)
    _evaluate(job, found, states, events, reporter)
    samples = found.passes * len(head.train.targets)
    reason = f"optimum reached (largest gradient {found.gradient:.0e}), C = {found.chosen.inverse_strength:g}"
    record = {"solver": "lbfgs", "chosen": chosen, "path": path, **fitted}
    return Trained(time.monotonic() - began, samples, found.iterations, reason, fit=record)


def _evaluate(job: Job, found: Fitted, states: StoredStates | None, events: Events, reporter: Reporter) -> None:
    if job.validation is None or states is None:
        return
    outcome = _outcome(job, job.validation, states)
    measured = values(outcome, job.task.epoch_metrics)
    events.write("evaluation", step=found.iterations, epoch=0.0, **measured)
    primary, chosen = job.task.epoch_metrics[0], found.chosen
    reporter.say(
        f"{job.name}: fitted to the optimum in {found.iterations} iterations, C = {chosen.inverse_strength:g} on "
        f"{chosen.basis} features, validation {primary} {measured[primary]:.4f}"
    )


def _outcome(job: Job, examples: pa.Table, states: StoredStates) -> Outcome:
    """Computed from states; rounded ones need products of the same precision."""
    kind = states.cut.state.dtype
    with torch.autocast(states.device.type, kind, enabled=kind is not torch.float32):
        return Evaluator(job.task, job.model.model, job.base, job.seed, states).outcome(examples, "score")


def _only_layer(model: nn.Module) -> nn.Linear:
    learning = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    for module in model.modules():
        if isinstance(module, nn.Linear) and {id(parameter) for parameter in module.parameters()} == learning:
            return module
    raise NotSplittable("the head is not one linear layer")


def _targets(job: Job, examples: pa.Table, states: StoredStates) -> np.ndarray:
    """(examples,) class numbers, as the task's outputs give them."""
    truth = _outcome(job, examples, states).truth()
    if truth is None or len(truth) != len(states.lengths):
        raise NotSplittable("examples do not have one label each")
    return truth


def _require_regression(reader: Reader, layer: nn.Linear, states: StoredStates, rows: FeatureRows) -> None:
    """The layer must read the states themselves, and the loss must be the cross-entropy of its output."""
    few = np.arange(min(CHECKED, len(states.lengths)))
    seen: list[tuple[Tensor, Tensor]] = []
    handle = layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    try:
        with evaluating(reader.model), torch.no_grad(), states.of(few):
            loss = float(reader.run(reader.sample(few).batch).value)
    finally:
        handle.remove()
    if len(seen) != 1:
        raise NotSplittable("its layer is called more than once")
    inputs, logits = (tensor.float().cpu() for tensor in seen[0])
    if inputs.dim() != 2 or not np.array_equal(inputs.numpy(), rows.features[few]):
        raise NotSplittable("another operation stands between the frozen part and its layer")
    entropy = functional.cross_entropy(logits, torch.from_numpy(rows.targets[few].astype(np.int64))).item()
    if not abs(loss - entropy) <= 1e-4 * max(1.0, abs(entropy)):
        raise NotSplittable("the loss is not the cross-entropy of one label per row")


def _put(layer: nn.Linear, weights: np.ndarray) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[:-1].T))
        if layer.bias is not None:
            layer.bias.copy_(torch.from_numpy(weights[-1]))
