"""Training rows that an earlier stage makes: selected once, kept in the store, and part of the later step's digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from dianji.artefact.opened import Model
from dianji.data.columns import Column
from dianji.data.content import examine
from dianji.data.digest import rows_digest
from dianji.data.findings import plural
from dianji.data.read import Loaded
from dianji.data.source import SOURCE, UNIT
from dianji.errors import DataError, RecipeError
from dianji.registry import REGISTRY, key_of, record_of
from dianji.selections.base import Earlier, Selected, Selection
from dianji.spec.data import Data
from dianji.spec.sections import Recipe
from dianji.store.atomic import new_folder
from dianji.store.digest import digest_value
from dianji.store.steps import StepFolder, Store
from dianji.tasks.base import Task

_ROWS = "rows.arrow"


class Read(Protocol):
    """Reads a plain data section of the recipe."""

    def __call__(self, section: str, columns: Mapping[str, Column]) -> Loaded:
        """The section's rows with these columns."""
        ...


@dataclass(frozen=True)
class Maker:
    """The stage that makes the rows."""

    name: str
    task: Task  # as the recipe has it
    step: StepFolder


class NotYet(Exception):
    """The stage that makes the rows is not done, or has not been asked."""


def derived(
    recipe: Recipe, section: str, task: Task, maker: Maker, store: Store, read: Read, *, select: bool
) -> Loaded:
    """The rows of a data section with ``from``.

    Args:
        recipe: whose section it is.
        section: its name.
        task: of the stage that learns from the rows.
        maker: the stage that makes them.
        store: keeps them.
        read: reads the sections ``rows`` and ``with``.
        select: whether rows that are not in the store may be made now.

    Raises:
        NotYet: the rows cannot be had now; what can be checked without them has been.
        CapabilityError: the stage cannot make such rows.
        DataError: the rows to select from are at fault, or none is selected.
        RecipeError: the selection does not make the columns that the task needs.
    """
    spec = recipe.data[section]
    selection = _selection(spec)
    pool = read(str(spec.rows), selection.reads(maker.task))
    evaluated = read(str(spec.evaluated), task.columns)
    if maker.step.state != "done":
        raise NotYet
    whole = spec.with_ is not None  # then nothing of the pool is evaluated
    key = {"from": maker.step.digest, "select": record_of(selection), "rows": pool.digest, "seed": recipe.seed}
    folder = store.cache(digest_value({**key, "whole": whole, "section": _written(recipe.data[str(spec.rows)])}))
    if not (folder / _ROWS).is_file():
        if not select:
            raise NotYet
        rows = pa.concat_tables(pool.splits.values()) if whole else pool.splits["train"]
        _keep(folder, _selected(selection, maker, rows))
    made = pa.ipc.open_file(pa.memory_map(str(folder / _ROWS))).read_all()
    told = f"data.{section}.select: {key_of(selection).name}"  # no path: warnings are part of the artefact
    return _joined(spec, task, _Made(made, told, digest_value([key, rows_digest(made)]), maker.step.digest), evaluated)


def _selection(spec: Data) -> Selection:
    if spec.select is None:
        raise RecipeError("rows that a stage makes need select")
    made: Selection = REGISTRY.build("selection", spec.select.name, spec.select.arguments)
    return made


def _selected(selection: Selection, maker: Maker, rows: pa.Table) -> pa.Table:
    """The rows that the stage makes, each with the source of the row that it was made of."""
    model = Model.open(maker.step.artefact)
    earlier = Earlier(maker.name, model.task, model.predict, partial(model.outputs, purpose="score"))
    found: Selected = selection.select(earlier, rows.drop_columns([SOURCE, *({UNIT} & {*rows.column_names})]))
    return found.rows.append_column(SOURCE, rows[SOURCE].take(pa.array(found.of, pa.int64())))


def _keep(folder: Path, rows: pa.Table) -> None:
    with new_folder(folder) as new, pa.ipc.new_file(str(new / _ROWS), rows.schema) as writer:
        writer.write_table(rows)


def _written(data: Data) -> dict[str, Any]:
    """What decides the rows beside their files."""
    return data.model_dump(mode="json", by_alias=True, exclude={"path", "strict"})


@dataclass(frozen=True)
class _Made:
    rows: pa.Table
    told: str  # begins messages
    digest: str
    step: str  # the digest of the step that made them


def _joined(spec: Data, task: Task, made: _Made, evaluated: Loaded) -> Loaded:
    """The rows as training split, beside the validation and test of the section that evaluates them."""
    owed = [name for name, column in task.columns.items() if not column.optional and name not in made.rows.column_names]
    if owed:
        raise RecipeError(
            f"{made.told} makes the columns {', '.join(name for name in made.rows.column_names if name != SOURCE)}; "
            f"{key_of(task).name} needs {', '.join(owed)} too. Choose another selection or task."
        )
    names = [*(name for name in task.columns if name in made.rows.column_names), SOURCE]
    rows, leaked = _unseen(made.rows.select(names), task, evaluated)
    if not rows.num_rows:
        raise DataError(
            f"{made.told} selected no row{' that is not evaluated too' if leaked else ''}. Ask for less of it, or give "
            "it more rows."
        )
    warnings = list(evaluated.warnings)
    if leaked:
        warnings.append(f"{made.told}: {plural(leaked, 'row')} left out, whose inputs are in validation or test")
    train = rows
    if spec.with_ is not None:
        own = evaluated.splits["train"]
        train = pa.concat_tables(
            [own.drop_columns([UNIT] if UNIT in own.column_names else []), rows], promote_options="permissive"
        )
    splits = {**evaluated.splits, "train": train}
    digest = digest_value([made.digest, evaluated.digest])
    report: dict[str, Any] = {
        **evaluated.report,
        "digest": digest,
        "rows": {split: table.num_rows for split, table in splits.items()},
        "made": {
            "from": spec.from_,
            "step": made.step,
            "select": str(spec.select),
            "rows": rows.num_rows,
            "left_out": leaked,
        },
        "warnings": warnings,
    }
    return replace(evaluated, splits=splits, digest=digest, warnings=tuple(warnings), report=report, streamed=False)


def _unseen(rows: pa.Table, task: Task, evaluated: Loaded) -> tuple[pa.Table, int]:
    """The rows without those whose inputs are evaluated, and the number of these."""
    held = [table for split, table in evaluated.splits.items() if split != "train"]
    shared = {*rows.column_names}.intersection(*(table.column_names for table in held))
    inputs = {name: column for name, column in task.inputs.items() if name in shared}
    known = [examine(table, inputs).hash for table in held if table.num_rows]
    if not known or not rows.num_rows:
        return rows, 0
    seen = np.isin(examine(rows, inputs).hash, np.concatenate(known))
    return rows.filter(pa.array(~seen)), int(seen.sum())
