"""Toy tables as files, in the ways in which a recipe can describe data: formats, names of columns, splits, limits."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dianji.data.arrow_types import is_binary, is_list, is_string
from dianji.tasks.base import Task

#: Of 24 rows, six validate and six test.
_SHARES: Mapping[str, Any] = {"validation": 0.25, "test": 0.25}


@dataclass(frozen=True)
class Written:
    """Files on the disk: the data section of a recipe, keys for its stage, and a file with all rows."""

    section: Mapping[str, Any]
    file: Path
    stage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """A way to write a table. ``needs`` says which tasks it is for."""

    name: str
    write: Callable[[pa.Table, Path], Written]
    needs: Callable[[Task], bool] = lambda task: True

    def fits(self, task: Task) -> bool:
        """Whether the task's rows can be described in this way."""
        return self.needs(task)


def _plain(table: pa.Table, folder: Path) -> Written:
    return _written(_parquet(table, folder), split=_SHARES)


def _renamed(table: pa.Table, folder: Path) -> Written:
    names = {name: f"their {name}" for name in table.column_names}
    file = _best(table.rename_columns(list(names.values())), folder)
    return _written(file, split=_SHARES, columns=names)


def _nested(table: pa.Table, folder: Path) -> Written:
    names = {name: f"row.{name}" for name in table.column_names}
    whole = pa.StructArray.from_arrays([column.combine_chunks() for column in table.columns], table.column_names)
    return _written(_best(pa.table({"row": whole}), folder), split=_SHARES, columns=names)


def _semicolons(table: pa.Table, folder: Path) -> Written:
    file = folder / "rows.csv"
    names = {name: f"列 {name}" for name in table.column_names}
    with file.open("w", encoding="gb18030", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(names.values())
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    said = {"format": "csv", "options": {"delimiter": ";"}, "encoding": "gb18030"}
    return _written(file, split=_SHARES, columns=names, **said)


def _grouped(table: pa.Table, folder: Path) -> Written:
    customers = [f"customer {row // 2}" for row in range(table.num_rows)]
    return _written(_best(table.append_column("customer", [customers]), folder), split={**_SHARES, "group": "customer"})


def _timed(table: pa.Table, folder: Path) -> Written:
    days = [f"2024-05-{1 + row:02d}" for row in range(table.num_rows)]
    return _written(_best(table.append_column("day", [days]), folder), split={**_SHARES, "time": "day"})


def _stratified(table: pa.Table, folder: Path) -> Written:
    return _written(_best(table, folder), split={**_SHARES, "stratify": "label"})


def _files(table: pa.Table, folder: Path) -> Written:
    """A file for each split, and one with all rows beside them."""
    quarter = table.num_rows // 4
    parts = {"train": table.slice(2 * quarter), "valid": table.slice(0, quarter), "held": table.slice(quarter, quarter)}
    for name, part in parts.items():
        (folder / name).mkdir()
        pq.write_table(part, folder / name / "rows.parquet")
    section = _written(
        folder / "train" / "rows.parquet",
        split={"validation": str(folder / "valid" / "rows.parquet"), "test": str(folder / "held" / "rows.parquet")},
    ).section
    return Written(section, _parquet(table, folder))


def _fewer(table: pa.Table, folder: Path) -> Written:
    labels = sorted(set(table["label"].to_pylist()))
    clean = {"drop_duplicates": True, "drop_empty": True}
    written = _written(_best(table, folder), split=_SHARES, drop=labels[2:], limit="2 per label", clean=clean)
    (folder / "kept").mkdir()
    kept = table.filter(pa.array([label in labels[:2] for label in table["label"].to_pylist()]))
    return Written(written.section, _best(kept, folder / "kept"))


def _named(table: pa.Table, folder: Path) -> Written:
    return _written(_best(table, folder), split=_SHARES, names=True)


def _streamed(table: pa.Table, folder: Path) -> Written:
    several = pa.concat_tables([table] * 4)  # a row's own text decides its split
    return _written(_best(several, folder), split=_SHARES, stream=True)


def _synthetic(table: pa.Table, folder: Path) -> Written:
    return _staged(_plain(table, folder), probe="synthetic", seed=5)


def _searched(table: pa.Table, folder: Path) -> Written:
    return _staged(_plain(table, folder), evaluate={"label_errors": True, "resamples": 200})


def _pictures(table: pa.Table, folder: Path) -> Written:
    """A folder for each label, which is the file with all rows too."""
    for row, (image, label) in enumerate(zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True)):
        (folder / "shapes" / label).mkdir(parents=True, exist_ok=True)
        (folder / "shapes" / label / f"{row}.png").write_bytes(image)
    return _written(folder / "shapes", split=_SHARES)


def _reads(*kinds: str) -> Callable[[Task], bool]:
    return lambda task: sorted(column.kind for column in task.columns.values()) == sorted(kinds)


def _labelled(task: Task) -> bool:
    return any(column.kind == "label" and column.target for column in task.columns.values())


def _unlabelled(task: Task) -> bool:
    return not any(column.target for column in task.columns.values())


#: What is tried with every task that it fits.
LAYOUTS: tuple[Layout, ...] = (
    Layout("plain", _plain),
    Layout("renamed", _renamed),
    Layout("nested", _nested),
    Layout("semicolons", _semicolons, lambda task: _reads("text", "label")(task) or _reads("text")(task)),
    Layout("grouped", _grouped),
    Layout("timed", _timed),
    Layout("stratified", _stratified, _labelled),
    Layout("files", _files),
    Layout("fewer", _fewer, _labelled),
    Layout("named", _named, _reads("text", "label")),
    Layout("streamed", _streamed, _unlabelled),
    Layout("synthetic", _synthetic),
    Layout("searched", _searched, _labelled),
    Layout("pictures", _pictures, _reads("image", "label")),
)


def _written(file: Path, **section: Any) -> Written:
    return Written({"path": str(file), **section}, file)


def _staged(written: Written, **stage: Any) -> Written:
    return Written(written.section, written.file, stage)


def _best(table: pa.Table, folder: Path) -> Path:
    """CSV for flat text, else JSON lines, else Parquet: the plainest file that holds the table."""
    kinds = list(table.schema.types)
    if all(is_string(kind) for kind in kinds):
        return _csv(table, folder)
    if any(_has_bytes(kind) for kind in kinds):
        return _parquet(table, folder)
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()), encoding="utf-8")
    return file


def _has_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_has_bytes(kind.field(place).type) for place in range(kind.num_fields))
    return bool(is_binary(kind)) or (is_list(kind) and _has_bytes(kind.value_type))


def _csv(table: pa.Table, folder: Path) -> Path:
    file = folder / "rows.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return file


def _parquet(table: pa.Table, folder: Path) -> Path:
    pq.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet"
