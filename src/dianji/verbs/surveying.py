"""Examines data without a recipe and without training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dianji.bases.checks import require_modality
from dianji.bases.resolve import resolve
from dianji.data.survey import survey as look
from dianji.errors import DataError
from dianji.pipeline.label_errors import label_errors
from dianji.reporting import Reporter, Silent


@dataclass(frozen=True)
class Survey:
    """The result of ``dianji data``: reports as plain values."""

    data: str
    #: A task's name of a column -> its name in the data.
    columns: Mapping[str, str]
    report: Mapping[str, Any]
    quality: Mapping[str, Any]
    #: Empty unless a base was given.
    label_errors: Mapping[str, Any]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "data": self.data,
            "columns": dict(self.columns),
            "report": dict(self.report),
            "quality": dict(self.quality),
            "label_errors": dict(self.label_errors),
            "warnings": list(self.warnings),
        }


def survey(
    path: str, *, columns: Mapping[str, str] | None = None, base: str | None = None, reporter: Reporter | None = None
) -> Survey:
    """The data report, near-duplicates and personal data; with a ``base`` also likely label errors.

    Args:
        path: a table or folder.
        columns: text, image, label or labels -> its name in the data; guessed where it is not given.
        base: registered base, folder or Hub id, whose frozen features are used to find label errors.
        reporter: receives messages and progress.

    Raises:
        DataError: the files have faults, or there are no labels.
        BaseError: the base is unknown or damaged.
        RecipeError: the base does not read rows of this kind.
    """
    source = resolve(base, "text") if base is not None else None  # an unknown base is told before the long look
    found = look(path, columns or {})
    wrong: dict[str, Any] = {}
    if source is not None:
        if "label" not in found.columns:
            raise DataError(
                f"{path}: likely label errors need one label per row, and no column holds them. Name it with "
                "--column label=…, or leave out --base."
            )
        require_modality(source.card(), found.modality, f"{found.modality}-classification")
        wrong = label_errors(found.rows, found.modality, source, reporter or Silent())
    return Survey(path, found.columns, found.report, found.quality, wrong, found.warnings)
