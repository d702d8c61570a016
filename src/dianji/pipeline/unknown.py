"""Unknown tokens of a stage's splits: for the data report, and as warnings before training begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dianji.artefact.learnt import Learnt
from dianji.bases.base import Base
from dianji.data.unknown import describe_unknown, warnings_of_unknown
from dianji.pipeline.plan import Work
from dianji.pipeline.stage_preview import RowSample
from dianji.tasks.base import Task
from dianji.tasks.unknown import count_unknown


def unknown_tokens(
    task: Task, base: Base, tables: Mapping[str, pa.Table], examples: Mapping[str, pa.Table]
) -> dict[str, dict[str, Any]]:
    """Split -> its entry in the data report; empty where the tokenizer knows everything, or rows are no texts.

    Args:
        task: of one part.
        base: whose tokenizer made the examples.
        tables: the splits.
        examples: of the splits.
    """
    found = {}
    for split, of in examples.items():
        counts = count_unknown(of, base, tables[split].num_rows)
        if counts is not None:
            found[split] = describe_unknown(counts.unknown, counts.tokens, _classes(task, tables[split]))
    return found


def unknown_warnings(work: Work, learnt: Learnt, examples: Mapping[str, pa.Table]) -> list[str]:
    """The warnings about them, by part of the stage, before it learns."""
    found = []
    divided = {split: learnt.task.divided(of) for split, of in examples.items()}
    for part, mine in learnt.parts().items():
        own = {split: of[part] for split, of in divided.items() if part in of}
        name = f"{work.name}: {part}" if part else work.name
        entries = unknown_tokens(mine.task, mine.base, work.parts[part].data.splits, own)
        found += [f"{name}: {warning}" for warning in warnings_of_unknown(entries)]
    return found


def unknown_in_samples(work: Work, base: Base, samples: Mapping[str, RowSample]) -> list[str]:
    """The same for samples of the rows, before anything is run; labels are not told apart."""
    found = {}
    for split, sample in samples.items():
        counts = count_unknown(sample.examples, base, sample.rows)
        if counts is not None:
            found[sample.describe(split)] = describe_unknown(counts.unknown, counts.tokens)
    return [f"{work.name}: {warning}" for warning in warnings_of_unknown(found)]


def _classes(task: Task, table: pa.Table) -> list[list[str]] | None:
    """The classes of each row by the first target that names any; None where there is none."""
    for name, column in task.columns.items():
        if column.target and column.of.categories != "none" and name in table.column_names:
            classes: list[list[str]] = [row or [] for row in column.of.classes(table[name]).to_pylist()]
            return classes
    return None
