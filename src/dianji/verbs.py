"""What can be done, as functions: every skin (command line, HTTP, pages) calls these and adds nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dianji.artefact.manifest import Manifest
from dianji.artefact.opened import Model
from dianji.data.read import rows as read_rows
from dianji.engine.evaluation import run_model
from dianji.errors import RecipeError, did_you_mean
from dianji.evaluate.bootstrap import estimates
from dianji.pipeline.execute import artefact_of, execute
from dianji.pipeline.plan import schedule
from dianji.reporting import Reporter, Silent
from dianji.results import Evaluation, Plan, RunResult
from dianji.spec.sections import Data, Evaluate, Recipe
from dianji.store.steps import Store

#: Rows that are read, predicted and written at a time.
CHUNK = 4096


def check(recipe: Recipe, *, store: Store | None = None) -> Plan:
    """Find every fault before any model is loaded, and tell what would be done.

    Raises:
        RecipeError: with all faults.
    """
    return schedule(recipe, store or Store.default()).plan()


def run(
    recipe: Recipe,
    *,
    stage: str | None = None,
    again: bool = False,
    reporter: Reporter | None = None,
    store: Store | None = None,
) -> RunResult:
    """Run what is missing; finished steps are reused, an interrupted one goes on where it was.

    Args:
        recipe: what to do.
        stage: only this stage and what it starts from.
        again: run ``stage`` (or the last one) although it is done.
        reporter: hears how it goes.
        store: where steps lie; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        RecipeError: with all faults, before anything is begun.
        TrainingError: the loss is not a number.
        StoreError: the disk is full, or another process works on the same step.
    """
    store = store or Store.default()
    if stage is not None and stage not in recipe.stages:
        raise RecipeError(f"there is no stage '{stage}'. {did_you_mean(stage, recipe.stages)}")
    planned = schedule(recipe, store)
    if stage is not None:
        planned = planned.upto(stage)
    redo = (stage or planned.works[-1].name) if again else None
    return execute(planned, store, reporter or Silent(), again=redo)


def open(folder: Path | str) -> Model:
    """Open an artefact; every file is compared with its digest.

    Raises:
        ArtefactError: not an artefact, or a file is not what was saved.
    """
    return Model.open(folder)


def finetune(
    base: str,
    path: str | Path,
    *,
    task: str = "text-classification",
    reporter: Reporter | None = None,
    seed: int = 0,
    **columns: str,
) -> Model:
    """Fine-tune a base on a table in one call, with every default of a recipe.

    Args:
        base: registered base, folder or Hub id.
        path: the table or folder.
        task: a registered task.
        reporter: hears how it goes.
        seed: of the run.
        columns: what the task calls a column = what the table calls it, such as ``text="query"``.

    Raises:
        RecipeError: the base, the task or a column is unknown.
    """
    recipe = Recipe.parse(
        {
            "name": Path(path).stem or "data",
            "seed": seed,
            "base": base,
            "data": {"data": {"path": str(Path(path).absolute()), "columns": columns}},
            "stages": {task: {"task": task, "data": "data"}},
        }
    )
    return Model.open(artefact_of(run(recipe, reporter=reporter)))


def predict_file(
    artefact: Path | str,
    source: str,
    *,
    everything: bool = False,
    reporter: Reporter | None = None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Predict the rows of a file, a folder or standard input (``-``), a chunk at a time.

    Yields:
        ``{"row": 1, <input>: …, "prediction": {…}}`` for each row, in order.
    """
    model = Model.open(artefact)
    data = Data(path=source, columns=dict(columns or {}))
    table = read_rows(source, model.task.columns, spec=data, need_targets=False)
    reporter = reporter or Silent()
    with reporter.work("predicting", table.num_rows, "rows") as meter:
        for start in range(0, table.num_rows, CHUNK):
            chunk = table.slice(start, CHUNK)
            predictions = model.task.predictions(model.outputs(chunk, meter), model.base)
            for offset, prediction in enumerate(predictions):
                yield {
                    "row": start + offset + 1,
                    **_shown(chunk, offset, model.input_column),
                    "prediction": prediction.to_json(everything=everything),
                }


def evaluate(
    artefact: Path | str,
    data: str,
    *,
    columns: Mapping[str, str] | None = None,
    reporter: Reporter | None = None,
) -> Evaluation:
    """Measure an artefact on rows with their truth.

    Raises:
        DataError: a column is missing, or a label is not one the model knows.
    """
    model = Model.open(artefact)
    table = read_rows(data, model.task.columns, spec=Data(path=data, columns=dict(columns or {})), need_targets=True)
    examples = model.task.encode(table, model.base)
    with (reporter or Silent()).work("evaluating", table.num_rows, "rows") as meter:
        outputs = run_model(model.task, model.network, model.base, examples, model.manifest.seed, meter)
    outcome = model.task.outcome(outputs, examples)
    measured = estimates(model.task.metrics, outcome, Evaluate().resamples, model.manifest.seed)
    return Evaluation(Path(artefact), data, table.num_rows, measured, model.task.metrics[0])


def show(artefact: Path | str) -> dict[str, Any]:
    """What an artefact is: task, labels, parents, scores, cost, versions, files with sizes."""
    folder = Path(artefact)
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    told: dict[str, Any] = {
        "artefact": str(folder),
        "recipe": manifest.recipe,
        "stage": manifest.stage,
        "digest": manifest.digest,
        "task": manifest.task,
        "adaptation": manifest.adaptation,
        "techniques": manifest.techniques,
        "labels": manifest.task["arguments"].get("labels", []),
        "base": manifest.base,
        "parents": [vars(parent) for parent in manifest.parents],
        "data": manifest.data,
        "training": manifest.training,
        "versions": manifest.versions,
        "files": {name: (folder / name).stat().st_size for name in manifest.files},
    }
    for name in ("metrics", "cost"):
        path = folder / "evidence" / f"{name}.json"
        told[name] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return told


def _shown(chunk: pa.Table, row: int, column: str) -> dict[str, Any]:
    value = chunk[column][row].as_py()
    if isinstance(value, str):
        return {column: value}
    return {column: chunk["__source__"][row].as_py()} if "__source__" in chunk.column_names else {}
