"""The contract of a task, through ``dianji.tasks.base`` alone: nothing is known of the task but what it says itself."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pyarrow as pa
import torch

from dianji.bases.base import Base
from dianji.bases.folder import FolderBase
from dianji.engine.evaluation import Evaluator
from dianji.evaluate.baseline import Baseline
from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.ragged import Entries, Ragged, concatenate
from dianji.registry import REGISTRY, from_record, record_of
from dianji.tasks.base import Batch, Outputs, Purpose, Task, TaskModel
from dianji.testing import toys
from dianji.testing.component import ComponentContract


class TaskContract(ComponentContract):
    """``component`` is a task; override ``table`` and ``base`` where the toys do not fit it.

    ``rate``: a learning rate of Adam at which 30 steps on one batch lower the loss.
    """

    kind: ClassVar[str] = "task"
    rate: ClassVar[float] = 0.01

    def table(self) -> pa.Table:
        """Rows to learn from."""
        return toys.image_table() if self.make().modality == "image" else toys.text_table()

    def base(self) -> Base:
        """A base that the task can work on."""
        return toys.image_base() if self.make().modality == "image" else toys.text_base()

    def task(self) -> Task:
        """The fitted component."""
        fitted: Task = self.make().fit(self.table())
        return fitted

    def model(self, task: Task) -> TaskModel:
        """A seeded model of the toy base."""
        torch.manual_seed(0)
        return task.model(self.base())

    def examples(self, task: Task) -> pa.Table:
        """The whole table, encoded."""
        return task.encode(self.table(), self.base())

    def test_says_what_the_hub_calls_it(self) -> None:
        assert isinstance(self.make().hub_name, str)

    def test_asks_for_columns_that_the_table_has(self) -> None:
        owed = {name for name, column in self.make().columns.items() if not column.optional}
        assert owed <= set(self.table().column_names)

    def test_fitting_gives_a_copy_and_its_record_opens_it(self) -> None:
        unfitted = self.make()
        fitted = unfitted.fit(self.table())
        assert unfitted == self.make(), "fit changed the task it was called on"
        assert from_record("task", json.loads(json.dumps(record_of(fitted)))) == fitted

    def test_fitting_fills_only_what_is_empty(self) -> None:
        """``verify`` compares an artefact's task with the recipe's and takes a change from None or empty as learnt."""
        unfitted, fitted = record_of(self.make())["arguments"], record_of(self.task())["arguments"]
        changed = {name: value for name, value in unfitted.items() if fitted.get(name) != value}
        assert {name: value for name, value in changed.items() if value not in (None, [], {}, "")} == {}

    def test_fitting_again_changes_nothing(self) -> None:
        assert self.task().fit(self.table()) == self.task()

    def test_examples_say_their_row_and_length(self) -> None:
        examples = self.examples(self.task())
        assert examples.schema.field("row").type == pa.int64()
        assert examples.schema.field("length").type == pa.int32()
        assert set(examples["row"].to_pylist()) == set(range(self.table().num_rows))
        assert min(examples["length"].to_pylist()) >= 1

    def test_encoding_is_pure(self) -> None:
        task = self.task()
        assert self.examples(task).equals(self.examples(task))

    def test_predicts_without_targets(self) -> None:
        task = self.task()
        rows = self.table()
        rows = rows.drop_columns(
            [name for name in rows.column_names if name in task.columns and task.columns[name].target]
        )
        examples = task.encode(rows, self.base())
        outputs = self._outputs(task, self.model(task), examples, "predict")
        assert len(task.predictions(task.assemble(outputs, examples), rows, self.base())) == rows.num_rows

    def test_batches_follow_from_the_generator(self) -> None:
        task = self.task()
        first, again = (self._batch(task, self.examples(task), seed=3) for _ in range(2))
        assert all(torch.equal(first[name], again[name]) for name in first)

    def test_draws_nothing_if_it_says_so(self) -> None:
        task = self.task()
        if not task.random_batches:
            first, other = (self._batch(task, self.examples(task), seed=seed) for seed in (3, 4))
            plain = self._batch(task, self.examples(task), purpose="score")
            assert all(torch.equal(first[name], other[name]) for name in first)
            assert all(torch.equal(first[name], plain[name]) for name in first)

    def test_the_loss_reaches_the_head(self) -> None:
        task = self.task()
        model = self.model(task)
        loss = task.loss(model.model, self._batch(task, self.examples(task)))
        assert loss.value.ndim == 0
        assert torch.isfinite(loss.value)
        assert loss.items > 0
        torch.autograd.backward(loss.value)
        # Names of tied weights count too: an output layer's bias may go by the name that its module gives it.
        named = model.model.named_parameters(remove_duplicate=False)
        # Without a head of its own (an output layer tied to the embedding) the whole model stands for it.
        head = {name: weight for name, weight in named if not model.head or model.is_head(name)}
        assert all(any(TaskModel(model.model, (prefix,)).is_head(name) for name in head) for prefix in model.head)
        assert any(weight.grad is not None and weight.grad.any() for weight in head.values())

    def test_gradients_of_parts_add_up_to_those_of_the_whole(self) -> None:
        """Weighted by their items, so that accumulation is the large batch, however unequal its parts are.

        Where the loss couples examples, batches are never divided.
        """
        task = self.task()
        if task.couples_examples:
            return
        examples = self.examples(task)
        whole, _ = self._gradients(task, [examples])
        for cuts in ([1, 7, examples.num_rows], [5, 6, 13, examples.num_rows]):
            parts = [examples.slice(start, end - start) for start, end in pairwise([0, *cuts])]
            summed, items = self._gradients(task, parts)
            assert items > 0
            for name, gradient in whole.items():
                torch.testing.assert_close(summed[name], gradient, rtol=1e-4, atol=1e-5)

    def _gradients(self, task: Task, parts: list[pa.Table]) -> tuple[dict[str, torch.Tensor], int]:
        """Mean over all items, without dropout. As for evaluation, where what is drawn follows from each row alone."""
        made, items = self.model(task), 0
        made.model.zero_grad()
        for part in parts:
            loss = task.loss(made.model, task.collate(part, self.base(), np.random.default_rng(0), purpose="score"))
            torch.autograd.backward(loss.value * loss.items)
            items += loss.items
        named = made.model.named_parameters()
        return {name: weight.grad / items for name, weight in named if weight.grad is not None}, items

    def test_learns(self) -> None:
        task = self.task()
        model, batch = self.model(task), self._batch(task, self.examples(task))
        optimizer = torch.optim.Adam(model.model.parameters(), lr=self.rate)
        losses = []
        for _ in range(30):
            loss = task.loss(model.model, batch).value
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.9 * losses[0]

    def test_a_row_alone_is_the_row_in_a_padded_batch(self) -> None:
        task = self.task()
        model, examples = self.model(task), self.examples(task)
        together = self._outputs(task, model, examples)
        alone = [self._outputs(task, model, examples.slice(row, 1)) for row in range(examples.num_rows)]
        for name, values in together.items():
            _assert_close(concatenate([outputs[name] for outputs in alone]), values, name)

    def test_predictions_are_plain_values(self) -> None:
        task = self.task()
        examples = self.examples(task)
        outputs = task.assemble(self._outputs(task, self.model(task), examples, "predict"), examples)
        predictions = task.predictions(outputs, self.table(), self.base())
        assert len(predictions) == self.table().num_rows
        for prediction in predictions:
            assert json.loads(json.dumps(prediction.to_json(), allow_nan=False))
            assert json.loads(json.dumps(prediction.to_json(everything=True), allow_nan=False))

    def test_the_outcome_feeds_every_metric(self) -> None:
        task = self.task()
        examples = self.examples(task)
        outputs = self._outputs(task, self.model(task), examples, task.measured_for)
        outcome = task.outcome(task.decode(task.assemble(outputs, examples), self.base()), examples).complete()
        assert outcome.rows == self.table().num_rows
        assert not outcome.check()
        assert task.metrics
        for name in task.metrics:
            assert isinstance(outcome, REGISTRY.get("metric", name).outcomes), f"{name} takes no {type(outcome)}"
        for name, found in estimates(task.metrics, outcome, resamples=100, seed=0).items():
            assert np.isfinite(dataclasses.astuple(found)).all(), name

    def test_each_epoch_can_be_scored(self) -> None:
        task = self.task()
        examples = self.examples(task)
        outputs = task.assemble(self._outputs(task, self.model(task), examples), examples)
        outcome = task.outcome(outputs, examples).complete()
        assert task.epoch_metrics
        for name in task.epoch_metrics:
            assert isinstance(outcome, REGISTRY.get("metric", name).outcomes), f"{name} takes no {type(outcome)}"

    def test_an_outcome_in_parts_is_the_whole_outcome(self) -> None:
        """Rows are evaluated some at a time; the parts join to what all of them give at once."""
        task, purpose = self.task(), self.make().measured_for
        model: Any = self.model(task).model
        whole = Evaluator(task, model, self.base(), 0).outcome(self.examples(task), purpose)
        few = _Few(task)
        parts = Evaluator(cast(Task, few), model, self.base(), 0).outcome(self.examples(task), purpose)
        assert parts.rows == whole.rows
        np.testing.assert_allclose(parts.distance(whole), 0, atol=1e-4)

    def test_baselines_serve_its_metrics(self) -> None:
        task = self.task()
        for name in task.baselines:
            baseline: Baseline = REGISTRY.build("baseline", name, {})
            answer = baseline.fit(task.comparable(self.base()), self.table(), 0)
            if answer is None:
                continue  # it does not apply to this base
            outcome = answer(self.table())
            assert outcome.rows == self.table().num_rows
            assert all(isinstance(outcome, REGISTRY.get("metric", metric).outcomes) for metric in task.metrics)

    def test_a_saved_model_opens_with_its_head(self, tmp_path: Path) -> None:
        task, base = self.task(), self.base()
        model = self.model(task)
        examples = self.examples(task)
        said = self._outputs(task, model, examples)
        model.model.save_pretrained(tmp_path)
        base.save_processor(tmp_path)
        saved = FolderBase(tmp_path).prepare(self.table())
        opened = task.model(saved)
        saved.require_complete()
        again = self._outputs(task, opened, task.encode(self.table(), saved))
        for name, values in said.items():
            _assert_close(again[name], values, name)

    def _batch(self, task: Task, examples: pa.Table, *, seed: int = 0, purpose: Purpose = "train") -> Batch:
        return task.collate(examples, self.base(), np.random.default_rng(seed), purpose=purpose)

    def _outputs(self, task: Task, model: TaskModel, examples: pa.Table, purpose: Purpose = "score") -> Outputs:
        module: Any = model.model
        module.eval()
        with torch.inference_mode():
            return task.outputs(module, self._batch(task, examples, purpose=purpose))


def _assert_close(found: Entries, expected: Entries, name: str) -> None:
    if isinstance(found, Ragged) and isinstance(expected, Ragged):
        np.testing.assert_array_equal(found.offsets, expected.offsets, err_msg=name)
        found, expected = found.values, expected.values
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)  # type: ignore[arg-type]  # arrays now


class _Few:
    """The task, of which only a few rows are evaluated at a time."""

    rows_at_once = 5

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)
