"""Open an artefact, predict with it, measure it, show what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dianji.artefact.manifest import Manifest
from dianji.artefact.opened import Model
from dianji.data.arrow_types import is_string
from dianji.data.read import open_stream
from dianji.data.read import rows as read_rows
from dianji.data.source import SOURCE
from dianji.engine.evaluation import run_model
from dianji.evaluate.bootstrap import estimates
from dianji.reporting import Reporter, Silent
from dianji.results import Evaluation
from dianji.spec.sections import Data, Evaluate
from dianji.tasks.cut import Cut, cut


def open(folder: Path | str, *, precision: str = "fp32") -> Model:
    """Open an artefact; every file is compared with its digest.

    Args:
        folder: of the artefact.
        precision: see ``Model.open``.

    Raises:
        ArtefactError: not an artefact, or a file is not what was saved.
        CapabilityError: the precision is not to be had here.
    """
    return Model.open(folder, precision=precision)


def predict_file(
    artefact: Path | str,
    source: str,
    *,
    everything: bool = False,
    reporter: Reporter | None = None,
    columns: Mapping[str, str] | None = None,
    precision: str = "fp32",
) -> Iterator[dict[str, Any]]:
    """Predict the rows of a file, a folder or standard input (``-``), a chunk at a time.

    However many rows there are, one chunk of them is held in memory.

    Yields:
        ``{"row": 1, <input>: …, "prediction": {…}}`` for each row, in order.

    Raises:
        DataError: what is wrong with files, rows and columns. A file's faults are told before the first row is given,
            those of standard input when they are met.
    """
    model = Model.open(artefact, precision=precision)
    inputs = {name: column for name, column in model.task.columns.items() if not column.target}
    stream = open_stream(source, inputs, columns or {})
    reporter = reporter or Silent()
    told = stream.warnings
    for warning in told:
        reporter.warn(warning)
    number, too_long = 0, Cut()
    with reporter.work("predicting", stream.rows, "rows") as meter:
        for answered in model.stream(stream.chunks(), meter):
            too_long += answered.cut
            shown = _shown(answered.rows, model.input_column)
            for prediction, input_ in zip(answered.predictions, shown, strict=True):
                number += 1
                yield {"row": number, **input_, "prediction": prediction.to_json(everything=everything)}
    for warning in stream.warnings:
        if warning not in told:  # of standard input, which is known when it has been read
            reporter.warn(warning)
    if too_long:
        reporter.warn(f"{too_long}. The model has seen nothing of what was cut.")


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
    reporter = reporter or Silent()
    spec = Data(path=data, columns=dict(columns or {}))
    table = read_rows(data, model.task.columns, spec=spec, need_targets=True, warn=reporter.warn)
    examples = model.task.encode(table, model.base)
    if too_long := cut(examples):
        reporter.warn(f"{data}: {too_long}. The figures are of what is left of them.")
    with reporter.work("evaluating", table.num_rows, "rows") as meter:
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


def _shown(rows: pa.Table, column: str) -> list[dict[str, Any]]:
    """What a person knows each row by: the text itself, or where another input came from."""
    if is_string(rows[column].type):
        return [{column: value} for value in rows[column].to_pylist()]
    if SOURCE in rows.column_names:
        return [{column: value} for value in rows[SOURCE].to_pylist()]
    return [{}] * rows.num_rows
