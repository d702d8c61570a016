"""Rows for a task: read, checked, cleaned, divided and reported on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.data import resolve
from dianji.data.clean import keep, labelled
from dianji.data.columns import Column
from dianji.data.content import Content, examine
from dianji.data.division import Divider, as_given
from dianji.data.files import split_named
from dianji.data.findings import Findings, plural
from dianji.data.labels import check_labels
from dianji.data.limit import choose, parse
from dianji.data.names import with_names
from dianji.data.quality.near import QUICK, near_duplicates
from dianji.data.report import Rows, build
from dianji.data.select import Request, concatenate, require_roles, select
from dianji.data.source import SOURCE, SPLIT, SPLITS
from dianji.data.streamed import sample, stream_splits
from dianji.errors import DataError
from dianji.spec.sections import Data
from dianji.store.steps import Store

#: Rows of a stream that a tokenizer is fitted to.
FITTED = 100_000


@dataclass(frozen=True)
class Loaded:
    """A task's rows. ``splits`` lacks a split without rows; tables hold the task's columns and ``__source__``."""

    splits: Mapping[str, pa.Table]
    #: sha256 over what determines the rows (bytes of files, rows of services), not over paths or the recipe.
    digest: str
    warnings: tuple[str, ...]
    report: dict[str, Any]
    #: Whether tables are memory-mapped, because they may be larger than memory.
    streamed: bool = False

    def to_fit(self) -> pa.Table:
        """Training rows that a tokenizer or the like is fitted to: all, or as many as fit into memory."""
        return sample(self.splits["train"], FITTED) if self.streamed else self.splits["train"]


def load(
    spec: Data,
    columns: Mapping[str, Column],
    *,
    seed: int,
    name: str,
    need_targets: bool = True,
    divide: bool = True,
    cache: Path | None = None,
) -> Loaded:
    """Everything that the recipe says about ``data.<name>``, done; without ``divide`` only splits that are given.

    ``cache`` is where a stream's splits are kept; by default that of the store.

    Raises:
        DataError: what is wrong with files, rows, columns and labels, as many faults at once as can be found.
        CapabilityError: an optional package is missing.
    """
    section = f"data.{name}"
    columns = _wanted(columns, need_targets)
    if spec.stream:
        folder = cache or Store.default().home / "cache"
        splits, report = stream_splits(spec, columns, seed=seed, name=name, cache=folder)
        return Loaded(splits, report["digest"], tuple(report["warnings"]), report, streamed=True)
    findings = Findings()
    readings = resolve.resolve(spec, section)
    _warn_of_names(readings, findings)
    tables = [reading.read(spec.encoding, findings) for reading in readings]
    request = Request(columns, spec.columns, _extra(spec), name, spec.clean.drop_empty)
    table = _selected(readings, tables, request, findings)
    table, content, removed = _cleaned(table, spec, columns, section)
    divider = Divider(spec, columns, seed, section)
    split = divider.divide(table, content, findings) if divide else as_given(table, findings)
    findings.check()
    table, content, split = _limited(table, content, split, divider, findings)
    table = table.select([*columns, SOURCE])
    splits = {name: table.filter(pa.array(split == code)) for code, name in enumerate(SPLITS) if (split == code).any()}
    if spec.names and divide:
        splits["train"] = with_names(splits["train"], columns, section)
    told = findings if divide else Findings()
    check_labels(splits, columns, section, told)
    findings.check()
    findings.warnings += told.faults if not divide else []
    digest = resolve.digest(readings, tables, _image_columns(spec, columns))
    report = {"name": name, "digest": digest, "files": _files(readings, tables, findings), "removed": removed}
    rows = Rows(table, content, split, columns)
    report |= build(rows, findings)
    if spec.names and divide:
        report["names"] = splits["train"].num_rows - int((split == 0).sum())
    findings.check()
    if spec.strict:
        _refuse(report, findings, section)
        _refuse_near(rows, section)
    warnings = tuple(f"{section}: {warning}".replace(f"{section}: {section}", section) for warning in findings.warnings)
    return Loaded(splits, digest, warnings, {**report, "warnings": list(warnings)})


def rows(
    path: str | Sequence[str],
    columns: Mapping[str, Column],
    *,
    spec: Data | None = None,
    given: Mapping[str, str] | None = None,
    need_targets: bool = False,
) -> pa.Table:
    """The rows of a file, a folder or standard input (``-``), undivided; for prediction and evaluation.

    A column that ``spec`` maps may also stand under the task's own name; one that is ``given`` must be there.

    Raises:
        DataError: what is wrong with files, rows and columns.
        RecipeError: the task has no column that is ``given``.
    """
    spec, given = spec or Data(), given or {}
    require_roles(given, columns, targets=need_targets)
    columns = _wanted(columns, need_targets)
    findings = Findings()
    readings = resolve.places(path, "auto", {})
    if spec.format != "auto" and spec.options and all(reading.format == spec.format for reading in readings):
        readings = resolve.places(path, spec.format, spec.options)
    tables = [reading.read(spec.encoding, findings) for reading in readings]
    table = _selected(readings, tables, Request(columns, spec.columns, lenient=True, given=given), findings)
    return table.select([*columns, SOURCE])


def digest(spec: Data, columns: Mapping[str, Column] | None = None) -> str:
    """``Loaded.digest`` without parsing, but for SQL, Hub ids, and image files that a table names.

    ``columns`` matters for the last of these only.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    readings = resolve.resolve(spec, "data")
    findings = Findings()
    tables: list[pa.Table | None] = [None] * len(readings)
    if resolve.needs_rows(readings, columns or {}):
        tables = [reading.read(spec.encoding, findings) for reading in readings]
        findings.check()
    return resolve.digest(readings, tables, _image_columns(spec, columns or {}))


def _warn_of_names(readings: Sequence[resolve.Reading], findings: Findings) -> None:
    """A list or a glob is one table, also where a file is called test."""
    if any(reading.place.split == "train" for reading in readings):
        return
    undivided = [reading.place.name for reading in readings if reading.place.split is None]
    for name in undivided if len(undivided) > 1 else []:
        split = split_named(name)
        if split in ("validation", "test"):
            findings.warn(f"{name} is divided with the other files; to keep it apart write split: {{{split}: {name}}}")


def _wanted(columns: Mapping[str, Column], need_targets: bool) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if need_targets or not column.target}


def _extra(spec: Data) -> dict[str, str]:
    """Columns that only the division needs."""
    roles = {"group": spec.split.group, "time": spec.split.time, "stratify": spec.split.stratify}
    return {role: name for role, name in roles.items() if name is not None}


def _image_columns(spec: Data, columns: Mapping[str, Column]) -> list[str]:
    return [spec.columns.get(name, name) for name, column in columns.items() if column.kind == "image"]


def _selected(
    readings: Sequence[resolve.Reading], tables: Sequence[pa.Table | None], request: Request, findings: Findings
) -> pa.Table:
    """The task's columns of every file, one below the other."""
    selected: list[pa.Table] = []
    alone = len(readings) == 1
    for reading, table in zip(readings, tables, strict=True):
        if table is None:
            continue
        try:
            part = select(table, request, reading.place, findings)
        except DataError as error:
            findings.fault(str(error))
            continue
        selected.append(_marked(part, None if alone else reading.place.split))
    findings.check()
    return concatenate(selected)


def _marked(table: pa.Table, split: str | None) -> pa.Table:
    """What the place says of its split goes before what stands inside it."""
    if split is None:
        return table
    values = pa.array([split] * table.num_rows, pa.string())
    return table.drop_columns([name for name in (SPLIT,) if name in table.column_names]).append_column(SPLIT, values)


def _cleaned(
    table: pa.Table, spec: Data, columns: Mapping[str, Column], section: str
) -> tuple[pa.Table, Content, dict[str, int]]:
    removed: dict[str, int] = {}
    label = next(
        (name for name, column in columns.items() if column.target and column.kind in ("label", "labels")), None
    )
    if spec.drop and label is not None:
        mask = labelled(table, label, spec.drop, section)
        removed["dropped label"] = int(mask.sum())
        table = table.filter(pa.array(~mask))
    content = examine(table, columns)
    kept = keep(table, content, spec.clean)
    removed |= kept.removed
    table = table.filter(pa.array(kept.rows))
    if not table.num_rows:
        raise DataError(
            f"{section}: no row is left "
            f"({', '.join(f'{plural(count, reason)}' for reason, count in removed.items() if count)}). Loosen "
            "clean or drop."
        )
    return table, content.take(kept.rows), removed


def _limited(
    table: pa.Table, content: Content, split: np.ndarray, divider: Divider, findings: Findings
) -> tuple[pa.Table, Content, np.ndarray]:
    """Fewer training rows; validation and test stay whole."""
    if divider.spec.limit is None:
        return table, content, split
    limit = parse(divider.spec.limit)
    training = np.flatnonzero(split == 0)
    label = divider.label()
    classes = None
    if label is not None:
        classes = np.unique(np.asarray(table[label].take(training).to_pylist()), return_inverse=True)[1]
    chosen = training[choose(limit, classes, content.order[training], divider.seed, divider.section)]
    kept = split != 0
    kept[chosen] = True
    if not limit.per_label and len(chosen) < limit.count:
        findings.warn(f"limit: {limit.count:,} rows were asked for, and the training split has {len(chosen):,}")
    return table.filter(pa.array(kept)), content.take(kept), split[kept]


def _files(
    readings: Sequence[resolve.Reading], tables: Sequence[pa.Table | None], findings: Findings
) -> list[dict[str, Any]]:
    return [
        {
            "name": reading.place.name,
            "format": reading.format,
            "encoding": findings.encodings.get(reading.place.name),
            "rows": table.num_rows if table is not None else 0,
        }
        for reading, table in zip(readings, tables, strict=True)
    ]


def _refuse(report: Mapping[str, Any], findings: Findings, section: str) -> None:
    """Under ``strict`` what measures wrongly is no longer only a warning."""
    leaks = sum(entry["count"] for entry in report["leakage"].values())
    if leaks or report["conflicts"]["count"]:
        told = [warning for warning in findings.warnings if "also stand" in warning or "different labels" in warning]
        raise DataError("\n".join(f"{section}: {warning}. Repair the rows, or leave out strict." for warning in told))


def _refuse_near(rows: Rows, section: str) -> None:
    """The same for inputs that nearly repeat training; without ``strict`` a run warns of them."""
    findings = Findings()
    report = near_duplicates(rows, findings, QUICK)
    if any(entry["count"] for entry in report.get("leakage", {}).values()):
        told = [warning for warning in findings.warnings if "of training" in warning]
        raise DataError("\n".join(f"{section}: {warning}. Repair the rows, or leave out strict." for warning in told))
