"""A first look at data that nobody has described yet: what its columns hold, and which ones a recipe would name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from dianji.data import column_kinds
from dianji.data.column_kinds import Inspected
from dianji.data.findings import Findings
from dianji.data.language import detect
from dianji.data.resolve import places
from dianji.data.select import concatenate, names_of
from dianji.data.source import SPLIT
from dianji.errors import RecipeError, did_you_mean

Role = Literal["text", "label", "group", "time"]

#: What columns of a role are often called.
_NAMES: Mapping[Role, re.Pattern[str]] = {
    "text": re.compile(
        r"text|query|question|sentence|body|content|review|message|comment|sms|tweet|utterance|文本|内容|标题|问题|评论",
        re.IGNORECASE,
    ),
    "label": re.compile(
        r"label|category|class|intent|target|sentiment|topic|^y$|标签|类别|分类|意图|情感",
        re.IGNORECASE,
    ),
    "group": re.compile(r"customer|user|client|patient|author|speaker|session|account|客户|用户", re.IGNORECASE),
    "time": re.compile(r"time|date|created|year|时间|日期", re.IGNORECASE),
}


@dataclass(frozen=True)
class Inspection:
    """What ``dianji init`` writes its recipe from. A role for which no column fits is None."""

    path: str
    format: str
    encoding: str | None
    rows: int
    columns: tuple[Inspected, ...]
    #: Codes with their share of the texts, the largest first.
    languages: tuple[tuple[str, float], ...]
    #: Split -> rows, where the data comes divided.
    splits: Mapping[str, int]
    text: str | None = None
    image: str | None = None
    label: str | None = None
    group: str | None = None
    time: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def column(self, name: str) -> Inspected:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


_ROLES = {"text": "text", "image": "image", "label": "label", "labels": "label", "group": "group", "time": "time"}


def taken_as(seen: Inspection, columns: Mapping[str, str]) -> Inspection:
    """The same data with columns taken as the caller says: text, image, label, labels, group or time -> name.

    Raises:
        RecipeError: one is none of these, or there is no such column.
    """
    faults, names = [], [column.name for column in seen.columns]
    for role, name in columns.items():
        if role not in _ROLES:
            faults.append(f"--column {role}: expected one of {', '.join(_ROLES)}. {did_you_mean(role, _ROLES)}")
        elif name not in names:
            faults.append(f"--column {role}={name}: {seen.path} has no such column. {did_you_mean(name, names)}")
    if faults:
        raise RecipeError(*faults)
    roles = {_ROLES[role]: name for role, name in columns.items()}
    # A column has one role: what it was guessed to be gives way to what is said.
    guessed = {role: None for role in set(_ROLES.values()) if getattr(seen, role) in roles.values()}
    if "text" in roles and "image" not in roles:
        guessed["image"] = None  # one of the two is read
    changes: dict[str, Any] = {**guessed, **roles}
    return replace(seen, **changes)


def inspect(path: str | Sequence[str]) -> Inspection:
    """Read everything, and say what it looks like.

    Raises:
        DataError: what is wrong with the files.
    """
    findings = Findings()
    table, format_ = read_all(path, findings)
    return look_at(table, path if isinstance(path, str) else ", ".join(path), format_, findings)


def look_at(table: pa.Table, path: str, format_: str, findings: Findings) -> Inspection:
    """The same of what ``read_all`` has read."""
    columns = tuple(column_kinds.inspected(table[name], name) for name in names_of(table))
    text = _best(columns, ("text",), "text", lambda column: column.characters["mean"])
    return Inspection(
        path=path,
        format=format_,
        encoding=next(iter(findings.encodings.values()), None),
        rows=table.num_rows,
        columns=columns,
        languages=tuple(detect([str(value or "") for value in table[text].to_pylist()])) if text else (),
        splits=_split_counts(table),
        text=text,
        image=next((column.name for column in columns if column.kind == "image"), None),
        label=_best(columns, ("label", "labels"), "label", lambda column: -column.distinct),
        group=_group(columns),
        time=_time(columns),
        warnings=tuple(findings.warnings),
    )


def read_all(path: str | Sequence[str], findings: Findings) -> tuple[pa.Table, str]:
    """Every row with every column, ``__source__`` and ``__split__``; and the format of the first file.

    Raises:
        DataError: what is wrong with the files.
    """
    readings = places(path, "auto", {})
    parts: list[pa.Table] = []
    for reading in readings:
        table = reading.read("auto", findings)
        if table is not None:
            split = pa.array([reading.place.split] * table.num_rows, pa.string())
            parts.append(table if SPLIT in table.column_names else table.append_column(SPLIT, split))
    findings.check()
    return concatenate(parts), readings[0].format


def _best(
    columns: Sequence[Inspected], kinds: Sequence[str], role: Role, rank: Callable[[Inspected], float]
) -> str | None:
    """Of the columns of these kinds that vary, the one with a telling name, else the first by ``rank``."""
    fitting = [column for column in columns if column.kind in kinds and column.distinct > 1]
    fitting = fitting or [column for column in columns if column.kind in kinds and role == "text"]
    if not fitting:
        return None
    return max(fitting, key=lambda column: (bool(_NAMES[role].search(column.name)), rank(column))).name


def _group(columns: Sequence[Inspected]) -> str | None:
    """Something like a customer's number that several rows share."""
    shared = (column for column in columns if column.kind in ("id", "label", "number") and column.repeated)
    return next((column.name for column in shared if _NAMES["group"].search(column.name)), None)


def _time(columns: Sequence[Inspected]) -> str | None:
    """A date, or numbers that call themselves a time."""
    dates = _best(columns, ("date",), "time", lambda column: column.distinct)
    stamps = (column.name for column in columns if column.kind == "number" and _NAMES["time"].search(column.name))
    return dates or next(stamps, None)


def _split_counts(table: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(table[SPLIT].cast(pa.string())).to_pylist()
    return {item["values"]: item["counts"] for item in counts if item["values"] is not None}
