"""A thorough look at data without a recipe: the data report and the quality report of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from dianji.data.arrow_types import is_string
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.inspect import Inspection, look_at, read_all
from dianji.data.quality.near import THOROUGH
from dianji.data.quality.personal import personal_data
from dianji.data.quality.report import assess, gathered
from dianji.data.read import load
from dianji.data.report import Rows
from dianji.data.select import names_of
from dianji.data.source import SOURCE
from dianji.errors import DataError, RecipeError, did_you_mean
from dianji.spec.sections import Data

_COLUMNS: Mapping[str, Column] = {
    "text": Column("text"),
    "image": Column("image"),
    "label": Column("label", target=True),
    "labels": Column("labels", target=True),
}


@dataclass(frozen=True)
class Surveyed:
    """The rows with both reports, each as plain values."""

    rows: Rows
    #: What a task calls a column -> what the data calls it.
    columns: Mapping[str, str]
    report: Mapping[str, Any]
    quality: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def modality(self) -> Literal["text", "image"]:
        """What a base must be for to read the rows."""
        return "image" if "image" in self.columns else "text"


def survey(path: str, given: Mapping[str, str]) -> Surveyed:
    """Look at everything. Columns that are not ``given`` (text, image, label or labels -> name) are guessed.

    Raises:
        RecipeError: ``given`` names something that is none of these.
        DataError: what is wrong with the files; or they hold neither texts nor images.
    """
    for name in given:
        if name not in _COLUMNS:
            raise RecipeError(f"--column {name}: expected text, image, label or labels. {did_you_mean(name, _COLUMNS)}")
    findings = Findings()
    table, format_ = read_all(path, findings)
    columns = _columns(look_at(table, path, format_, findings), given)
    kinds = {name: _COLUMNS[name] for name in columns}
    loaded = load(Data(path=path, columns=columns), kinds, seed=0, name="data", divide=False)
    rows = gathered(loaded.splits, kinds)
    findings = Findings()
    quality = assess(rows, findings, THOROUGH)
    told = quality["personal_data"]
    quality["personal_data"] = {columns[name]: found for name, found in told.items()} | _elsewhere(table, columns)
    warnings = [warning.removeprefix("data.data: ") for warning in loaded.warnings]
    return Surveyed(rows, columns, loaded.report, quality, (*warnings, *findings.warnings))


def _columns(seen: Inspection, given: Mapping[str, str]) -> dict[str, str]:
    columns = dict(given)
    if "text" not in given and "image" not in given:
        if seen.image:
            columns["image"] = seen.image
        elif seen.text:
            columns["text"] = seen.text
        else:
            found = ", ".join(f"{column.name} ({column.kind})" for column in seen.columns)
            raise DataError(
                f"{seen.path}: expected a column of texts or images, found {found or 'no column'}. Name it: "
                "--column text=… or --column image=…"
            )
    if "label" not in given and "labels" not in given and seen.label and seen.label not in columns.values():
        columns["labels" if seen.column(seen.label).kind == "labels" else "label"] = seen.label
    return columns


def _elsewhere(table: pa.Table, columns: Mapping[str, str]) -> dict[str, Any]:
    """Personal data of the columns that no task would read: a table that is passed on is passed on whole."""
    others = [name for name in names_of(table) if name not in columns.values()]
    texts = {
        name: table[name].cast(pa.string())
        for name in others
        if is_string(table[name].type) or pa.types.is_integer(table[name].type)
    }
    return personal_data(texts, table[SOURCE])
