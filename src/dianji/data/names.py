"""Names of labels as training rows: ``card_arrival`` says in two words what its questions are about."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from dianji.data.arrow_types import is_string
from dianji.data.columns import Column, ColumnKind
from dianji.data.findings import some
from dianji.data.source import SOURCE
from dianji.errors import DataError

_BREAKS = re.compile(r"[\s_\-./:]+|(?<=[a-z])(?=[A-Z])")


def words(label: str) -> str:
    """``card_arrival`` and ``card-arrival`` -> ``card arrival``; ``cardArrival`` -> ``card Arrival``."""
    return " ".join(part for part in _BREAKS.split(label) if part)


def _is_text(kind: ColumnKind) -> bool:
    """Whether a name in words is a value of the kind."""
    return kind.modality == "text" and is_string(kind.arrow)


def with_names(train: pa.Table, columns: Mapping[str, Column], section: str) -> pa.Table:
    """The training rows, and after them one row for each label, whose text is the label's name in words.

    Raises:
        DataError: there is not one text and one label per row, or a label has no word in it.
    """
    texts = [name for name, column in columns.items() if not column.target and _is_text(column.of)]
    targets = [name for name, column in columns.items() if column.target and column.of.categories == "one"]
    if len(texts) != 1 or len(targets) != 1 or len(columns) != 2:
        raise DataError(
            f"{section}.names: rows can be made of label names where a row is one text with one label; this task takes "
            f"{', '.join(columns)}. Leave out names."
        )
    labels = sorted(set(train[targets[0]].to_pylist()))
    mute = [label for label in labels if not any(letter.isalpha() for letter in label)]
    if mute:
        raise DataError(
            f"{section}.names: {some(repr(label) for label in mute)} has no word that could tell what its rows are "
            "about. Give labels names that a person would understand, or leave out names."
        )
    rows = {texts[0]: [words(label) for label in labels], targets[0]: labels}
    rows[SOURCE] = [f"name of the label '{label}'" for label in labels]
    added = pa.table({name: pa.array(rows[name], train.schema.field(name).type) for name in rows})
    return pa.concat_tables([train, added], promote_options="default")
