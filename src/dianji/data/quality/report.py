"""The quality report: near-duplicates and personal data of a task's rows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.content import examine
from dianji.data.findings import Findings
from dianji.data.quality.likeness import Effort
from dianji.data.quality.near import near_duplicates
from dianji.data.quality.personal import personal_data
from dianji.data.rows import Rows
from dianji.data.source import SPLITS


def assess(rows: Rows, findings: Findings, effort: Effort) -> dict[str, Any]:
    """The report; what a person must see before trusting a figure goes to ``findings`` as warnings.

    Raises:
        DataError: an image is damaged.
    """
    texts = {name: pa.chunked_array([pa.array(texts, pa.large_string())]) for name, texts in rows.texts().items()}
    return {
        "near_duplicates": near_duplicates(rows, findings, effort),
        "personal_data": personal_data(texts, rows.sources),
    }


def gathered(splits: Mapping[str, pa.Table], columns: Mapping[str, Column]) -> Rows:
    """The rows of all splits as one table that remembers them."""
    held = {name: column for name, column in columns.items() if name in splits["train"].column_names}
    named = [(code, splits[name]) for code, name in enumerate(SPLITS) if name in splits]
    table = pa.concat_tables([part for _, part in named])
    split = np.repeat([code for code, _ in named], [part.num_rows for _, part in named]).astype(np.int8)
    return Rows(table, examine(table, held), split, held)
