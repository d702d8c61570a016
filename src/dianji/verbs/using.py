"""Opens an artefact, predicts with it, measures it, describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dianji.artefact.manifest import Manifest
from dianji.artefact.opened import Model
from dianji.data.columns import Column
from dianji.data.read import open_stream
from dianji.data.read import rows as read_rows
from dianji.data.select import require_roles
from dianji.data.source import SOURCE
from dianji.data.unknown import together, warnings_of_unknown
from dianji.engine.evaluation import Evaluator
from dianji.errors import RecipeError
from dianji.evaluate.bootstrap import estimates
from dianji.reporting import Reporter, Silent
from dianji.results import Evaluation
from dianji.retrieval.manifest import is_index
from dianji.spec.data import Data, text_encoding
from dianji.spec.sections import Evaluate
from dianji.tasks.truncation import Truncation, truncation
from dianji.tasks.unknown import share_of_unknown
from dianji.verbs.searching import show_index


def open(folder: Path | str, *, precision: str = "fp32") -> Model:
    """Open an artefact; every file is compared with its digest.

    Args:
        folder: of the artefact.
        precision: see ``Model.open``.

    Raises:
        ArtefactError: not an artefact, or a file has changed since it was saved.
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
    encoding: str = "auto",
    precision: str = "fp32",
) -> Iterator[dict[str, Any]]:
    """Predict the rows of a file, a folder or standard input (``-``), a chunk at a time.

    However many rows there are, one chunk of them is held in memory.

    Args:
        artefact: the folder.
        source: what to read.
        everything: also what is long, such as all probabilities.
        reporter: hears how it goes.
        columns: see ``evaluate``.
        encoding: see ``evaluate``.
        precision: see ``open``.

    Yields:
        ``{"row": 1, <input>: …, "prediction": {…}}`` for each row, in order.

    Raises:
        DataError: files, rows or columns have faults. A file's faults are reported before the first row is yielded,
            those of standard input when they are met.
        RecipeError: the task has no such column, or there is no such encoding.
    """
    encoding = _encoding(encoding)
    model = Model.open(artefact, precision=precision)
    inputs = {name: column for name, column in model.task.columns.items() if not column.target}
    require_roles(columns or {}, model.task.columns, targets=False)
    stream = open_stream(source, inputs, model.manifest.columns, columns, encoding=encoding)
    reporter = reporter or Silent()
    told = stream.warnings
    for warning in told:
        reporter.warn(warning)
    number, too_long, unknown = 0, Truncation(), None
    with reporter.work("predicting", stream.rows, "rows") as meter:
        for answered in model.stream(stream.chunks(), meter):
            too_long += answered.cut
            unknown = together(unknown, answered.unknown)
            shown = _shown(answered.rows, inputs)
            for prediction, input_ in zip(answered.predictions, shown, strict=True):
                number += 1
                yield {"row": number, **input_, "prediction": prediction.to_json(everything=everything)}
    for warning in stream.warnings:
        if warning not in told:  # of standard input, which is known when it has been read
            reporter.warn(warning)
    if too_long:
        reporter.warn(f"{too_long}. The model has not seen the rest of these rows.")
    _warn_of_unknown(source, unknown, reporter)


def evaluate(
    artefact: Path | str,
    data: str,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "auto",
    reporter: Reporter | None = None,
) -> Evaluation:
    """Measure an artefact on rows with their truth.

    Args:
        artefact: the folder.
        data: a table or folder.
        columns: what the task calls a column -> what the data call it; where nothing is said, the name that it had in
            training, or the task's own.
        encoding: of text files: ``auto``, or any text encoding that Python knows.
        reporter: hears how it goes.

    Raises:
        DataError: a column is missing, or a label is not one the model knows.
        RecipeError: the task has no such column, or there is no such encoding.
    """
    encoding = _encoding(encoding)
    model = Model.open(artefact)
    reporter = reporter or Silent()
    spec = Data(path=data, columns=dict(model.manifest.columns), encoding=encoding)
    table = read_rows(data, model.task.columns, spec=spec, given=columns, need_targets=True, warn=reporter.warn)
    examples = model.task.encode(table, model.base)
    if too_long := truncation(examples):
        reporter.warn(f"{data}: {too_long}. The figures are of the truncated rows.")
    _warn_of_unknown(data, share_of_unknown(examples, model.base, table.num_rows), reporter)
    with reporter.work("evaluating", table.num_rows, "rows") as meter:
        evaluator = Evaluator(model.task, model.network, model.base, model.manifest.seed)
        outcome = evaluator.outcome(examples, model.task.measured_for, meter)
    measured = estimates(model.task.metrics, outcome, Evaluate().resamples, model.manifest.seed)
    return Evaluation(Path(artefact), data, table.num_rows, measured, model.task.metrics[0])


def show(artefact: Path | str) -> dict[str, Any]:
    """A description of an artefact, or of an index: task, labels, parents, scores, cost, versions, files with sizes."""
    folder = Path(artefact)
    if is_index(folder):
        return show_index(folder)
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    description: dict[str, Any] = {
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
        description[name] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return description


def _warn_of_unknown(source: str, found: Mapping[str, Any] | None, reporter: Reporter) -> None:
    for warning in warnings_of_unknown({} if found is None else {source: found}):
        reporter.warn(warning)


def _shown(rows: pa.Table, inputs: Mapping[str, Column]) -> list[dict[str, Any]]:
    """The values by which a person recognises each row: those that can be read, or the source of another input."""
    shown: dict[str, list[Any]] = {}
    for name in (name for name in inputs if name in rows.column_names):
        if inputs[name].of.readable:
            shown[name] = inputs[name].of.to_json(rows[name])
        elif SOURCE in rows.column_names:
            shown[name] = rows[SOURCE].to_pylist()
    return [{name: values[row] for name, values in shown.items()} for row in range(rows.num_rows)]


def _encoding(name: str) -> str:
    try:
        return text_encoding(name)
    except ValueError as error:
        raise RecipeError(f"encoding: {error}") from None
