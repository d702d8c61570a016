"""Open an artefact, predict with it, measure it, show what it is."""

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
from dianji.evaluate.bootstrap import estimates
from dianji.reporting import Reporter, Silent
from dianji.results import Evaluation
from dianji.spec.sections import Data, Evaluate

#: Rows that are read, predicted and written at a time.
CHUNK = 4096


def open(folder: Path | str) -> Model:
    """Open an artefact; every file is compared with its digest.

    Raises:
        ArtefactError: not an artefact, or a file is not what was saved.
    """
    return Model.open(folder)


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
