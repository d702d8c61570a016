"""Several tasks that learn in one stage: one shared base, a head each (Caruana, 1997).

The loop sees one task. A batch holds a sub-batch for each part, a forward pass is made for each of them, and the loss
is the mean of the parts' losses, weighted by their examples. Examples of several parts with the same tokens share a
batch, and the base reads them once for all heads. After training each part is an ordinary task with a model
of its own, so that measuring, saving and predicting know nothing of this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from dianji.bases.base import Base, Card
from dianji.data.columns import Column
from dianji.data.source import SOURCE, UNIT
from dianji.errors import CapabilityError
from dianji.evaluate.joint import SEPARATOR, JointOutcome
from dianji.evaluate.outcome import Outcome
from dianji.registry import Key, from_record, record_of
from dianji.tasks._joint_model import JointModel
from dianji.tasks._joint_reading import READ, read_once, units, with_same_inputs
from dianji.tasks.base import Batch, Loss, Outputs, Prediction, Purpose, Share, Task, TaskModel

#: A constant answer with a smaller loss is right nearly always: then the loss stays as it is.
_LEAST = 1e-3
#: Column of joint tables and examples: the name of a row's part.
PART = "__part__"


@dataclass(frozen=True)
class JointPart:
    """A task among others."""

    task: Mapping[str, Any]  # registry record
    weight: float = 1.0
    #: Of its loss, learnt by ``fit``: the loss is divided by it.
    scale: float = 1.0


@dataclass(frozen=True)
class Joint(Task):
    """The parts of a stage. Made by the plan of a stage with ``parts``, never named in a recipe.

    Args:
        parts: name -> task and the weight of its loss.
        temperature: how often a part is drawn: in proportion to its examples to the power of ``1 / temperature``
            (Arivazhagan et al., 2019, arXiv:1907.05019). 1: each example once an epoch; larger: more even.
        uncertainty: weigh losses by learnt variances (Kendall et al., 2018, arXiv:1705.07115).
    """

    parts: Mapping[str, JointPart]
    temperature: float = 1.0
    uncertainty: bool = False

    __component__: ClassVar[Key] = Key("task", "joint")

    @classmethod
    def of(cls, tasks: Mapping[str, Task], weights: Mapping[str, float], **mix: Any) -> Self:
        """Of tasks as they are, fitted or not.

        Raises:
            CapabilityError: they read different modalities.
        """
        modalities = {name: task.modality for name, task in tasks.items()}
        if len(set(modalities.values())) > 1:
            told = ", ".join(f"{name} reads {modality}" for name, modality in modalities.items())
            raise CapabilityError(f"the parts of a stage share a base, and so a modality; found: {told}.")
        return cls({name: JointPart(record_of(task), weights[name]) for name, task in tasks.items()}, **mix)

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The parts' tasks by name."""
        return {name: from_record("task", part.task) for name, part in self.parts.items()}

    @property
    def modality(self) -> str:  # type: ignore[override]  # the parts decide
        """That of the parts."""
        return next(iter(self.tasks.values())).modality

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every part's columns as ``part.column``; a row holds those of its part alone."""
        return {f"{name}.{column}": of for name, task in self.tasks.items() for column, of in task.columns.items()}

    @property
    def metrics(self) -> tuple[str, ...]:
        """``part/metric``; the primary metrics of all parts first."""
        return _ranked({name: task.metrics for name, task in self.tasks.items()})

    @property
    def epoch_metrics(self) -> tuple[str, ...]:
        """``part/metric``; the primary metrics of all parts first."""
        return _ranked({name: task.epoch_metrics for name, task in self.tasks.items()})

    @property
    def random_batches(self) -> bool:
        """Whether a part's are."""
        return any(task.random_batches for task in self.tasks.values())

    @property
    def passes(self) -> int:
        """One forward pass for each part."""
        return sum(task.passes for task in self.tasks.values())

    @property
    def couples_examples(self) -> bool:
        """Whether a part does."""
        return any(task.couples_examples for task in self.tasks.values())

    def usual(self, rows: int, card: Card) -> Mapping[str, Any]:
        """Values on which all parts agree."""
        found = [task.usual(rows, card) for task in self.tasks.values()]
        return {key: value for key, value in found[0].items() if all(other.get(key) == value for other in found)}

    def fit(self, table: pa.Table) -> Self:
        """Every part on its rows."""
        parts = {}
        for name, task in self.tasks.items():
            mine = part_of(table, name)
            fitted = task.fit(mine)
            scale = fitted.constant_loss(mine)
            parts[name] = replace(self.parts[name], task=record_of(fitted), scale=scale if scale > _LEAST else 1.0)
        return replace(self, parts=parts)

    def model(self, base: Base) -> TaskModel:
        """A ``JointModel``; the trunk is that of the first part.

        Raises:
            CapabilityError: the parts' models do not share a trunk.
        """
        made = {name: task.model(base) for name, task in self.tasks.items()}
        model = JointModel({name: of.model for name, of in made.items()}, uncertainty=self.uncertainty)
        heads = [f"parts.{name}.{prefix}" for name, of in made.items() for prefix in of.head]
        return TaskModel(model, (*heads, "log_variances") if self.uncertainty else tuple(heads))

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """The examples of every part, in the order of the rows; columns of other parts are null."""
        numbers = {name: _rows_of(table, name) for name in self.tasks}
        encoded = []
        for name, task in self.tasks.items():
            examples = task.encode(part_of(table, name), base)
            if not pa.types.is_int64(examples.schema.field("row").type):
                raise CapabilityError(f"part '{name}': its examples hold several rows each, which parts cannot share.")
            encoded.append(_prefixed(examples, name, numbers[name]))
        joined = pa.concat_tables(encoded, promote_options="permissive")
        return joined.take(pc.sort_indices(joined["row"])) if joined.num_rows else joined

    def draw(self, examples: pa.Table, rng: np.random.Generator) -> np.ndarray | None:
        """Each part as often as the temperature says; whole rounds of a part's examples, then some drawn anew."""
        if self.temperature == 1.0:
            return None
        names = np.asarray(examples[PART].to_pylist(), dtype=object)
        places = [np.flatnonzero(names == name) for name in self.tasks]
        sizes = np.array([len(place) for place in places], dtype=np.float64)
        shares = sizes ** (1 / self.temperature)
        wanted = np.floor(shares / shares.sum() * sizes.sum()).astype(int)
        drawn = []
        for place, count in zip(places, wanted.tolist(), strict=True):
            if len(place):
                rounds, rest = divmod(count, len(place))
                drawn += [place] * rounds + [rng.permutation(place)[:rest]]
        return np.concatenate(drawn)

    def beginning(self, table: pa.Table, rows: int) -> pa.Table:
        """The first rows of each part."""
        return table.take(pa.array(np.concatenate([_rows_of(table, name)[:rows] for name in self.tasks])))

    def units(self, examples: pa.Table) -> np.ndarray | None:
        """Examples of different parts with the same tokens, where parts read what their rows say and draw nothing."""
        names = [name for name, task in self.tasks.items() if not task.random_batches]
        names = [name for name in names if f"{name}.{READ}" in examples.column_names]
        if self.temperature != 1.0 or len(names) < 2:
            return None
        places = {name: _rows_of(examples, name) for name in names}
        columns = {name: examples[f"{name}.{READ}"].take(pa.array(places[name])) for name in names}
        return units(columns, places, examples.num_rows)

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """Name -> the part's batch; parts without examples in the batch are missing. ``__sizes__``: examples."""
        batch: Batch = {}
        for name, task in self.tasks.items():
            mine = part_of(examples, name)
            if mine.num_rows:
                batch[name] = task.collate(mine, base, rng, purpose=purpose)
                batch.setdefault("__sizes__", {})[name] = mine.num_rows
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """The mean over examples of the parts' mean losses, each divided by its scale and times its weight."""
        sizes: Mapping[str, int] = batch["__sizes__"]
        joint = _joint(model)
        total = torch.zeros((), device=next(model.parameters()).device)
        with self.running(model, batch) as runs:
            for (name, size), (of, part) in zip(sizes.items(), runs, strict=True):
                mine = self.parts[name]
                value = self.tasks[name].loss(of, part).value * (mine.weight / mine.scale)
                total = total + joint.weighed(name, value) * size
        items = sum(sizes.values())
        return Loss(total / items, items)

    @contextmanager
    def running(self, model: torch.nn.Module, batch: Batch) -> Iterator[Sequence[tuple[torch.nn.Module, Batch]]]:
        """Each part's model on its batch; the trunk runs once for parts with the same inputs."""
        joint, same = _joint(model), with_same_inputs(batch, self.tasks)
        with read_once(joint.backbone):
            yield [(joint.parts[name], same[name]) for name in batch["__sizes__"]]

    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """Refused: see ``shares``."""
        raise _by_part()

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[Prediction]:
        """Refused: see ``shares``."""
        raise _by_part()

    def outcome(self, outputs: Outputs, examples: pa.Table) -> JointOutcome:
        """Refused: see ``shares``."""
        raise _by_part()

    def divided(self, examples: pa.Table) -> Mapping[str, pa.Table]:
        """The parts that have examples."""
        found = {name: part_of(examples, name) for name in self.tasks}
        return {name: mine for name, mine in found.items() if mine.num_rows}

    def shares(self, model: torch.nn.Module, examples: pa.Table) -> Mapping[str, Share]:
        """The parts, each with its own task, model and examples."""
        joint = _joint(model)
        return {name: Share(self.tasks[name], joint.parts[name], mine) for name, mine in self.divided(examples).items()}

    def models(self, model: TaskModel) -> Mapping[str, tuple[Task, TaskModel]]:
        """Each part's own."""
        joint = _joint(model.model)
        found = {}
        for name, task in self.tasks.items():
            prefix = f"parts.{name}."
            head = tuple(one.removeprefix(prefix) for one in model.head if one.startswith(prefix))
            part: Any = joint.parts[name]
            found[name] = (task, TaskModel(part, head))
        return found

    def release(self, model: TaskModel) -> None:
        """See ``JointModel.release``."""
        _joint(model.model).release()

    def corpus(self, table: pa.Table) -> pa.Table:
        """The corpora of all parts, in the columns that they have in common."""
        found = [task.corpus(part_of(table, name)) for name, task in self.tasks.items()]
        common = [name for name in found[0].column_names if all(name in of.column_names for of in found)]
        return pa.concat_tables([of.select(common) for of in found], promote_options="permissive")

    def unite(self, outcomes: Mapping[str, Outcome], examples: pa.Table) -> JointOutcome:
        """Part by part; the rows are those of the first part, then those of the second, and so on."""
        names = tuple(self.tasks)
        sizes = [outcomes[name].rows if name in outcomes else 0 for name in names]
        return JointOutcome(names, np.repeat(np.arange(len(names)), sizes), outcomes)


def joint_table(tables: Mapping[str, pa.Table]) -> pa.Table:
    """The rows of all parts, one part after the other: ``__part__``, each part's columns prefixed, ``__source__``."""
    return pa.concat_tables([_named(table, name) for name, table in tables.items()], promote_options="permissive")


def part_of(table: pa.Table, name: str) -> pa.Table:
    """The rows (or examples) of one part under the part's own column names."""
    prefix = f"{name}."
    mine = table.filter(pc.equal(table[PART], name))
    kept = [column for column in table.column_names if column.startswith(prefix) or column in _SHARED]
    chosen = mine.select(kept).rename_columns([column.removeprefix(prefix) for column in kept])
    if "row" in chosen.column_names:  # positions within the part
        rows = np.unique(chosen["row"].to_numpy(), return_inverse=True)[1]
        chosen = chosen.set_column(chosen.schema.get_field_index("row"), "row", pa.array(rows, pa.int64()))
    return chosen


#: Columns of tables and examples that go by one name in all parts.
_SHARED = frozenset({SOURCE, UNIT, "row", "length"})


def _named(table: pa.Table, name: str) -> pa.Table:
    renamed = table.rename_columns(
        [column if column in _SHARED else f"{name}.{column}" for column in table.column_names]
    )
    return renamed.append_column(PART, pa.array([name] * table.num_rows, pa.string()))


def _rows_of(table: pa.Table, name: str) -> np.ndarray:
    return np.flatnonzero(pc.equal(table[PART], name).to_numpy())


def _prefixed(examples: pa.Table, name: str, numbers: np.ndarray) -> pa.Table:
    """Examples of a part with ``row`` as a position in the joint table."""
    place = examples.schema.get_field_index("row")
    rows = pa.array(numbers[examples["row"].to_numpy()], pa.int64())
    return _named(examples.set_column(place, "row", rows), name)


def _ranked(metrics: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    first = [f"{name}{SEPARATOR}{of[0]}" for name, of in metrics.items()]
    rest = [f"{name}{SEPARATOR}{metric}" for name, of in metrics.items() for metric in of[1:]]
    return (*first, *rest)


def _joint(model: torch.nn.Module) -> JointModel:
    if not isinstance(model, JointModel):
        raise CapabilityError(f"expected a joint model, found {type(model).__name__}.")
    return model


def _by_part() -> CapabilityError:
    return CapabilityError("a joint model answers by part. Open one of the artefact's parts.")
