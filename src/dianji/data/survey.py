"""A thorough look at data without a recipe: the data report and the quality report of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from dianji.data.arrow_types import is_string
from dianji.data.columns import Column
from dianji.data.columns.base import column_kind
from dianji.data.findings import Findings
from dianji.data.inspect import Inspection, decoded_of, look_at
from dianji.data.line import Flow, Request
from dianji.data.quality.near import THOROUGH
from dianji.data.quality.personal import personal_data
from dianji.data.quality.report import assess, gathered
from dianji.data.read import divided
from dianji.data.rows import Rows
from dianji.data.select import names_of, select
from dianji.data.source import SOURCE
from dianji.errors import DataError, RecipeError, did_you_mean
from dianji.registry import REGISTRY
from dianji.spec.data import Data

#: The columns of questions about contexts, by what they are to each other and not by their kinds.
_QUESTIONS = {
    "question": Column("text"),
    "context": Column("text", shared=True),
    "answers": Column("answers", target=True),
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
    def modality(self) -> str:
        """What a base must be for to read the rows."""
        kinds = [self.rows.columns[name].of for name in self.rows.inputs()]
        return next((kind.modality for kind in kinds if kind.modality), "")


def survey(path: str, given: Mapping[str, str]) -> Surveyed:
    """Look at everything. Columns that are not ``given`` (a column kind such as text or label -> name) are guessed.

    Raises:
        RecipeError: ``given`` names something that is no column kind.
        DataError: what is wrong with the files; or they hold nothing that a model reads.
    """
    known = REGISTRY.names("column")
    for name in given:
        if name not in known:
            raise RecipeError(f"--column {name}: expected a column kind. {did_you_mean(name, known)}")
    decoded = decoded_of(path)
    seen = look_at(decoded, path)
    columns = _columns(seen, given)
    mapping = {name: list(seen.parts(of)) or of for name, of in columns.items()}
    kinds = _QUESTIONS if columns.keys() == _QUESTIONS.keys() else {name: _column(name) for name in columns}
    elsewhere = _elsewhere(decoded, columns)
    request = Request(Data(path=path, columns={**mapping}), kinds, "data", divide=False)
    loaded = divided(replace(decoded, request=request))
    rows = gathered(loaded.splits, kinds)
    findings = Findings()
    quality = assess(rows, findings, THOROUGH)
    quality["personal_data"] = {columns[name]: of for name, of in quality["personal_data"].items()} | elsewhere
    warnings = [warning.removeprefix("data.data: ") for warning in loaded.warnings]
    refused = [warning for warning in seen.warnings if warning not in decoded.findings.warnings]
    return Surveyed(
        rows, columns, loaded.report, quality, tuple(dict.fromkeys((*warnings, *refused, *findings.warnings)))
    )


def _column(kind: str) -> Column:
    """What a model reads is an input, all else is a target."""
    return Column(kind, target=not column_kind(kind).modality)


def _columns(seen: Inspection, given: Mapping[str, str]) -> dict[str, str]:
    columns = dict(given)
    if not given and seen.question and seen.text and seen.answers:
        return {"question": seen.question, "context": seen.text, "answers": seen.answers}
    if not any(column_kind(name).modality for name in given):
        if seen.image:
            columns["image"] = seen.image
        elif seen.text or seen.tokens:
            columns |= {"text": seen.text} if seen.text else {"tokens": str(seen.tokens)}
        else:
            found = ", ".join(f"{column.name} ({column.kind})" for column in seen.columns)
            raise DataError(
                f"{seen.path}: expected a column of texts or images, found {found or 'no column'}. Name it: "
                "--column text=… or --column image=…"
            )
    named = any(column_kind(name).categories != "none" for name in given)
    if not named and seen.label and seen.label not in columns.values():
        columns[seen.column(seen.label).kind] = seen.label
    if not named and not seen.label:
        columns |= {kind: name for kind, name in (("tags", seen.tags), ("spans", seen.spans)) if name}
    return columns


def _elsewhere(decoded: Flow, columns: Mapping[str, str]) -> dict[str, Any]:
    """Personal data of the columns that no task would read: a table that is passed on is passed on whole."""
    table = select(replace(decoded, request=replace(decoded.request, columns=None))).whole.table
    named = {part for name in columns.values() for part in name.split(", ")} | set(columns.values())
    others = [name for name in names_of(table) if name not in named]
    texts = {
        name: table[name].cast(pa.string())
        for name in others
        if is_string(table[name].type) or pa.types.is_integer(table[name].type)
    }
    return personal_data(texts, table[SOURCE])
