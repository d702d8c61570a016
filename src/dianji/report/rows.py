"""The rows behind a record: reads the data again as the recipe describes, and matches rows by digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dianji.artefact.manifest import Manifest
from dianji.data.columns.base import column_kind
from dianji.data.content import examine
from dianji.data.read import Loaded, load
from dianji.errors import DianjiError
from dianji.registry import from_record
from dianji.report.blocks import Words
from dianji.spec.sections import Recipe

if TYPE_CHECKING:
    from dianji.data.columns import Column


@dataclass(frozen=True)
class SourceRows:
    """Rows of all splits, and the place of each recorded row among them."""

    table: pa.Table
    column: str  # the task's first input column that the data have …
    kind: str  # … and the name of its kind, such as text or image
    place: np.ndarray  # (recorded rows,) int64 into ``table``; -1: it stands there no more
    length: np.ndarray  # (recorded rows,) int64 characters; 0 where the row is gone
    changed: bool  # the data is not, byte for byte, what the model was trained on
    beside: tuple[str, ...] = ()  # further input columns that are read with it, such as the second text of a pair

    def value(self, row: int) -> Any:
        """The input of a recorded row: text, or the bytes of an image; None where the row is gone."""
        place, of = int(self.place[row]), column_kind(self.kind)
        if place < 0:
            return None
        value = self.table[self.column][place].as_py()
        if not of.readable:
            return value
        others = (str(self.table[name][place].as_py()) for name in self.beside)
        return " ‖ ".join((of.show(value), *others))


def read_again(manifest: Manifest, recipe: Mapping[str, Any], digests: np.ndarray) -> SourceRows | Words:
    """The rows with these digests, or the reason why they are missing: moved, changed, or a plug-in is not installed.

    Args:
        manifest: of the artefact.
        recipe: the filled recipe, plain values.
        digests: (recorded rows,) uint64.
    """
    if not recipe:
        return Words("The artefact does not hold the recipe that made it.", "成品里没有生成它的配方。")
    try:
        columns: Mapping[str, Column] = from_record("task", manifest.task).columns
        parsed = Recipe.parse(recipe)
        name = parsed.stages[manifest.stage].tasks[manifest.part].data
        evaluated = parsed.data[name].evaluated
        loaded = load(parsed.data[evaluated or name], columns, seed=parsed.seed, name=evaluated or name)
    except (DianjiError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        return Words(f"The data could not be read again: {reason}", f"无法重新读取数据：{reason}")
    return _matched(loaded, columns, digests, changed=not evaluated and loaded.digest != manifest.data.get(name))


def _matched(
    loaded: Loaded, columns: Mapping[str, Column], digests: np.ndarray, *, changed: bool
) -> SourceRows | Words:
    table = pa.concat_tables(loaded.splits.values())
    content = examine(table, columns)
    known, first = np.unique(content.order, return_index=True)
    near = np.minimum(np.searchsorted(known, digests), len(known) - 1)
    place = np.where(known[near] == digests, first[near], -1)
    if not (place >= 0).any():
        return Words(
            "The data has changed: none of the rows that were measured stands in it any more.",
            "数据已经改变：当时评测的行已经一行也找不到。",
        )
    held = [name for name, column in columns.items() if not column.target and name in table.column_names]
    column = held[0]
    length = np.where(place >= 0, content.length[place], 0)
    read = (name for name in held[1:] if not columns[name].optional and columns[name].kind == columns[column].kind)
    return SourceRows(table, column, columns[column].kind, place, length, changed, tuple(read))
