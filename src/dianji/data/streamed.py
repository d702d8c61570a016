"""Data that may be larger than memory: rows go through a chunk at a time into memory-mapped splits in the cache.

From then on rows are read at random from the disk's pages, so that the order of training is a function of seed and
epoch as for any other data, and a run resumes exactly. Which split a row goes to follows from its own text and the
seed: the same text, case and white space aside, is always in the same one. What would need all rows at once
(duplicates, near-duplicates, quotas) is left out, and said.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from dianji.data.findings import plural
from dianji.data.line import Flow, Request
from dianji.data.report import files, warnings_of
from dianji.data.source import SOURCE, SPLITS
from dianji.errors import DataError
from dianji.store.atomic import alone, new_folder
from dianji.store.digest import digest_value

_FORMAT = 2
_REPORT = "report.json"


def keep(flow: Flow, cache: Path) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    """Memory-mapped splits and the data report; the flow is gone through unless its splits are kept already.

    Args:
        flow: of batches, cleaned and divided.
        cache: where splits are kept.

    Raises:
        DataError: what is wrong with files, rows and columns.
    """
    request = flow.request
    told = request.spec.model_dump(mode="json", exclude={"path"})
    folder = cache / digest_value([_FORMAT, flow.digest, told, request.seed, request.name])
    if not (folder / _REPORT).is_file():
        with alone(folder):
            if not (folder / _REPORT).is_file():
                with new_folder(folder) as temporary:
                    report = _written(temporary, flow)
                    (temporary / _REPORT).write_text(json.dumps(report), encoding="utf-8")
    report = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    return {split: _mapped(folder / f"{split}.arrow") for split in SPLITS if report["rows"].get(split)}, report


def sample(table: pa.Table, rows: int) -> pa.Table:
    """Some of a table's pieces, evenly spread: about as many rows as asked for, all where there are fewer."""
    if table.num_rows <= rows:
        return table
    batches = table.to_batches()
    return pa.Table.from_batches(batches[:: -(-table.num_rows // rows)])


def require_streamable(request: Request) -> None:
    """Refuse a recipe that asks for what needs all rows at once.

    Raises:
        DataError: it does.
    """
    spec, section = request.spec, request.section
    asked = {
        "limit": spec.limit is not None,
        "drop": bool(spec.drop),
        "strict": spec.strict,
        "clean.drop_duplicates": spec.clean.drop_duplicates,
        "split.stratify": spec.split.stratify is not None,
        "split.group": spec.split.group is not None,
        "split.time": spec.split.time is not None,
        "split.folds": spec.split.folds is not None,
        "split.transductive": spec.split.transductive is not None,
    }
    wanted = [key for key, value in asked.items() if value]
    if wanted:
        raise DataError(f"{section}.stream: {', '.join(wanted)} would need all rows at once. Leave it out, or stream.")
    targets = [name for name, column in request.wanted.items() if column.target]
    if targets:
        raise DataError(
            f"{section}.stream: a task with labels (column '{targets[0]}') reads its rows as a whole; streams are for "
            "pre-training (masked-language, causal-language). Leave out stream."
        )


def _written(folder: Path, flow: Flow) -> dict[str, Any]:
    """The report, after the flow's rows were written into ``folder``."""
    request = flow.request
    counts = dict.fromkeys(SPLITS, 0)
    empty = 0
    with ExitStack() as stack:
        writers: dict[str, Any] = {}
        for batch in flow.batches:
            if flow.findings.count:
                continue  # reading goes on only to find more faults
            empty += int(batch.content.empty.sum())
            table = _wide(batch.table.select([*request.wanted, SOURCE]))
            for code, split in enumerate(SPLITS):
                part = table.filter(pa.array(batch.split == code))
                if not part.num_rows:
                    continue
                if split not in writers:
                    sink = stack.enter_context(pa.OSFile(str(folder / f"{split}.arrow"), "wb"))
                    writers[split] = stack.enter_context(pa.ipc.new_file(sink, part.schema))
                writers[split].write_table(part)
                counts[split] += part.num_rows
    flow.findings.check()
    if not counts["train"]:
        raise DataError(f"{request.section}: no row is left to train on. Check path, split and clean.")
    for warning in _told(empty):
        flow.findings.warn(warning)
    return {
        "name": request.name,
        "digest": flow.digest,
        "streamed": True,
        "files": files(flow),
        "removed": {reason: count for reason, count in flow.report["removed"].items() if count},
        "rows": {split: count for split, count in counts.items() if count},
        "columns": {name: column.kind for name, column in request.wanted.items()},
        "empty": {"count": empty, "rows": []},
        "warnings": list(warnings_of(flow)),
    }


def _wide(chunk: pa.Table) -> pa.Table:
    """The same types in every chunk: of a long one texts have wider offsets."""
    kinds = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    return chunk.cast(pa.schema([(field.name, kinds.get(field.type, field.type)) for field in chunk.schema]))


def _told(empty: int) -> list[str]:
    told = ["read as a stream: duplicates, near-duplicates and languages were not looked for"]
    if empty:
        told.append(f"{plural(empty, 'row')} without content. To leave such rows out: clean: {{drop_empty: true}}")
    return told


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
