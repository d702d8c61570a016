"""Small files and short ways to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.read import Loaded, load
from dianji.spec.data import Data

TEXT = {"text": Column("text")}
LABELLED = {"text": Column("text"), "label": Column("label", target=True)}
SEVERAL = {"text": Column("text"), "labels": Column("labels", target=True)}
IMAGES = {"image": Column("image"), "label": Column("label", target=True)}

ROWS = [(f"question number {number} about a {kind}", kind) for number in range(12) for kind in ("card", "loan")]


def write_csv(path: Path, rows: Sequence[Sequence[str]] = ROWS, header: str = "text,label") -> str:
    """A CSV without any need to quote."""
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return str(path)


def write_jsonl(path: Path, records: Sequence[Mapping[str, Any]]) -> str:
    """An object per line."""
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return str(path)


def spec(path: str | Sequence[str] | None, **more: Any) -> Data:
    """The section as a recipe would say it."""
    return Data.model_validate({"path": path if path is None or isinstance(path, str) else list(path), **more})


def read(
    path: str | Sequence[str] | None, task: Mapping[str, Column] = LABELLED, *, seed: int = 0, **more: Any
) -> Loaded:
    """``load`` under the name ``toy``."""
    return load(spec(path, **more), task, seed=seed, name="toy")


def everything(loaded: Loaded) -> list[dict[str, Any]]:
    """All rows of all splits, by source."""
    return sorted(
        (row for table in loaded.splits.values() for row in table.to_pylist()), key=lambda row: row["__source__"]
    )


def texts(table: pa.Table) -> list[str]:
    """The text column."""
    return [str(text) for text in table["text"].to_pylist()]
