"""Finds labels that are probably wrong: a logistic regression on frozen features, and confident learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.bases.base import BaseSource
from dianji.data.rows import Rows
from dianji.data.source import SPLITS
from dianji.errors import DataError
from dianji.evaluate.confident import joint, likely_errors
from dianji.evaluate.logistic import logistic
from dianji.pipeline.features import frozen_features
from dianji.registry import REGISTRY
from dianji.reporting import Reporter
from dianji.tasks.base import Task

FOLDS = 5
#: Rows whose features are computed; of more, so many are drawn. A base of 20 million parameters takes minutes for them.
MOST_ROWS = 20_000
#: Rows and pairs of labels that are listed; all are counted.
LISTED, PAIRS = 1000, 10
#: Inverse of the regression's penalty, for features of about length 1: wrong labels must not be learnt by heart.
STRENGTH = 10.0

_TASKS = {"text": "text-classification", "image": "image-classification"}


def label_errors(rows: Rows, modality: str, source: BaseSource, reporter: Reporter) -> dict[str, Any]:
    """The report: the number of probable errors, their rows, and the suggested labels.

    Args:
        rows: with a column ``label``, and ``text`` or ``image``.
        modality: ``text`` or ``image``.
        source: the base.
        reporter: receives messages and progress.

    Raises:
        DataError: there are not two labels with at least ``FOLDS`` rows each.
    """
    chosen = _chosen(rows)
    table = rows.table.take(pa.array(chosen))
    task: Task = REGISTRY.build("task", _TASKS[modality], {}).fit(table)
    found, labels = np.unique(np.array(table["label"].to_pylist(), dtype=object), return_inverse=True)
    names: list[str] = found.tolist()
    with reporter.work("frozen features", len(chosen), "rows") as meter:
        features = frozen_features(task, source.prepare(task.corpus(table)), table, meter)
    with reporter.work("looking for wrong labels", FOLDS, "folds") as meter:
        probabilities = out_of_fold(features, labels, meter.advance)
    wrong = likely_errors(labels, probabilities)
    expected = joint(labels, probabilities)
    return {
        "method": f"confident learning on {FOLDS}-fold predictions of a logistic regression on frozen features",
        "base": source.card().name,
        "looked_at": {"rows": len(chosen), "of": rows.table.num_rows},
        "count": len(wrong),
        "estimated_share": round(float(1 - np.trace(expected) / expected.sum()), 4),
        "rows": [_entry(rows, int(chosen[row]), names, probabilities[row], int(labels[row])) for row in wrong[:LISTED]],
        "confusions": _confusions(expected, names),
    }


def out_of_fold(features: np.ndarray, labels: np.ndarray, advance: Callable[[], None] | None = None) -> np.ndarray:
    """Probabilities (rows, classes) of each row by a regression fitted without it; each class has FOLDS rows."""
    features = standardised(features)
    classes = int(labels.max()) + 1
    fold = folds(labels)
    found = np.empty((len(labels), classes))
    for number in range(FOLDS):
        held_out = fold == number
        found[held_out] = logistic(features[~held_out], labels[~held_out], classes, STRENGTH)(features[held_out])
        if advance is not None:
            advance()
    return found


def standardised(features: np.ndarray) -> np.ndarray:
    """(rows, width), each feature with mean 0, each row of about length 1."""
    spread = features.std(axis=0)
    scaled: np.ndarray = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    scaled /= np.sqrt(features.shape[1])
    return scaled


def folds(labels: np.ndarray) -> np.ndarray:
    """(rows,) the fold of each row; every label is spread evenly over all folds."""
    drawn = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    order = np.lexsort((drawn, labels))
    sizes = np.bincount(labels)
    place = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found = np.empty(len(labels), dtype=np.int64)
    found[order] = place % FOLDS
    return found


def _chosen(rows: Rows) -> np.ndarray:
    """Filled rows with common labels, at most MOST_ROWS, drawn by their content, in the order of the table."""
    filled = np.flatnonzero(~rows.content.empty)
    drawn = np.sort(filled[np.argsort(rows.content.order[filled], kind="stable")[:MOST_ROWS]])
    counts = np.bincount(rows.content.target[drawn]) if len(drawn) else np.zeros(0, dtype=np.int64)
    if (counts >= FOLDS).sum() < 2:
        raise DataError(
            f"likely label errors cannot be looked for: expected at least two labels with {FOLDS} rows each, found "
            f"{int((counts >= FOLDS).sum())}. Give more labelled rows, or name the label's column: --column label=…"
        )
    return np.asarray(drawn[counts[rows.content.target[drawn]] >= FOLDS])


def _entry(rows: Rows, row: int, names: Sequence[str], probabilities: np.ndarray, label: int) -> dict[str, Any]:
    best = int(probabilities.argmax())
    return {
        "row": rows.sources[row].as_py(),
        "split": SPLITS[rows.split[row]],
        "label": names[label],
        "probability": round(float(probabilities[label]), 4),
        "suggested": names[best],
        "suggested_probability": round(float(probabilities[best]), 4),
    }


def _confusions(expected: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """The pairs of labels with the most estimated confusions."""
    off = expected * ~np.eye(len(expected), dtype=bool)
    pairs = np.argsort(-off, axis=None, kind="stable")[:PAIRS]
    found = [(*divmod(int(pair), len(off)), float(off.flat[pair])) for pair in pairs]
    return [
        {"label": names[given], "instead_of": names[true], "rows": round(count, 1)}
        for given, true, count in found
        if count >= 0.5
    ]
