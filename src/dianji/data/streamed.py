"""Data that may be larger than memory: rows go through a chunk at a time into memory-mapped splits in the cache.

From then on rows are read at random from the disk's pages, so that the order of training is a function of seed and
epoch as for any other data, and a run resumes exactly. Which split a row goes to follows from its own text and the
seed: the same text, case and white space aside, is always in the same one. What would need all rows at once
(duplicates, near-duplicates, quotas) is left out, and said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data import resolve
from dianji.data.columns import Column
from dianji.data.findings import Findings, plural
from dianji.data.select import Request
from dianji.data.source import SOURCE, SPLITS
from dianji.data.stream import selected
from dianji.errors import DataError
from dianji.spec.sections import Clean, Data
from dianji.store.atomic import alone, new_folder
from dianji.store.digest import digest_value

_FORMAT = 1
_USUAL = (0.05, 0.05)  # of validation and test
_REPORT = "report.json"


def stream_splits(
    spec: Data, columns: Mapping[str, Column], *, seed: int, name: str, cache: Path
) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    """Memory-mapped splits and the data report.

    Raises:
        DataError: what is wrong with files, rows and columns; or the recipe asks for what needs all rows at once.
    """
    section = f"data.{name}"
    _require_streamable(spec, columns, section)
    readings = resolve.resolve(spec, section)
    if any(reading.source.reads == "service" for reading in readings):
        raise DataError(f"{section}.stream: rows of a service are not read as a stream. Save them to files first.")
    digest = resolve.digest(readings, [None] * len(readings), [])
    folder = cache / digest_value([_FORMAT, digest, spec.model_dump(mode="json", exclude={"path"}), seed, name])
    if not (folder / _REPORT).is_file():
        request = Request(columns, spec.columns, {}, name, spec.clean.drop_empty)
        with alone(folder):
            if not (folder / _REPORT).is_file():
                with new_folder(folder) as temporary:
                    report = {**_write(temporary, readings, request, spec, seed), "name": name, "digest": digest}
                    (temporary / _REPORT).write_text(json.dumps(report), encoding="utf-8")
    report = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    return {split: _mapped(folder / f"{split}.arrow") for split in SPLITS if report["rows"].get(split)}, report


def sample(table: pa.Table, rows: int) -> pa.Table:
    """Some of a table's pieces, evenly spread: about as many rows as asked for, all where there are fewer."""
    if table.num_rows <= rows:
        return table
    batches = table.to_batches()
    return pa.Table.from_batches(batches[:: -(-table.num_rows // rows)])


def _require_streamable(spec: Data, columns: Mapping[str, Column], section: str) -> None:
    asked = {
        "limit": spec.limit is not None,
        "drop": bool(spec.drop),
        "strict": spec.strict,
        "clean.drop_duplicates": spec.clean.drop_duplicates,
        "split.stratify": spec.split.stratify is not None,
        "split.group": spec.split.group is not None,
        "split.time": spec.split.time is not None,
    }
    wanted = [key for key, value in asked.items() if value]
    if wanted:
        raise DataError(f"{section}.stream: {', '.join(wanted)} would need all rows at once. Leave it out, or stream.")
    targets = [name for name, column in columns.items() if column.target]
    if targets:
        raise DataError(
            f"{section}.stream: a task with labels (column '{targets[0]}') reads its rows as a whole; streams are for "
            "pre-training (masked-language, causal-language). Leave out stream."
        )


def _write(
    folder: Path, readings: Sequence[resolve.Reading], request: Request, spec: Data, seed: int
) -> dict[str, Any]:
    findings, removed = Findings(), {"empty": 0, "too short": 0, "too long": 0}
    counts = dict.fromkeys(SPLITS, 0)
    files: list[dict[str, Any]] = []
    empty = 0
    shares = _shares(spec, readings)
    with ExitStack() as stack:
        writers: dict[str, Any] = {}
        for reading in readings:
            rows = 0
            for chunk in _chunks(reading, request, spec, findings):
                rows += chunk.num_rows
                kept, blank = _cleaned(chunk, request.columns, spec.clean, removed)
                empty += blank
                given = None if len(readings) == 1 else reading.place.split
                codes = _codes(kept, request.columns, shares, seed, given)
                for code, split in enumerate(SPLITS):
                    part = kept.filter(pa.array(codes == code))
                    if not part.num_rows:
                        continue
                    if split not in writers:
                        sink = stack.enter_context(pa.OSFile(str(folder / f"{split}.arrow"), "wb"))
                        writers[split] = stack.enter_context(pa.ipc.new_file(sink, part.schema))
                    writers[split].write_table(part)
                    counts[split] += part.num_rows
            files.append({"name": reading.place.name, "format": reading.format, "rows": rows})
    findings.check()
    if not counts["train"]:
        raise DataError(f"{request.section}: no row is left to train on. Check path, split and clean.")
    warnings = [f"{request.section}: {warning}" for warning in [*findings.warnings, *_told(empty)]]
    return {
        "streamed": True,
        "files": files,
        "removed": {reason: count for reason, count in removed.items() if count},
        "rows": {split: count for split, count in counts.items() if count},
        "columns": {name: column.kind for name, column in request.columns.items()},
        "empty": {"count": empty, "rows": []},
        "warnings": warnings,
    }


def _chunks(reading: resolve.Reading, request: Request, spec: Data, findings: Findings) -> Iterator[pa.Table]:
    """The task's columns; once a fault was found, reading goes on only to find more of them."""
    own = Findings()
    try:
        for chunk in selected(reading, request, spec.encoding, own):
            if not own.count:
                yield _wide(chunk.select([*request.columns, SOURCE]))
    except DataError as error:
        own.fault(str(error))
    findings.merge(own)


def _wide(chunk: pa.Table) -> pa.Table:
    """The same types in every chunk: of a long one texts have wider offsets."""
    kinds = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    return chunk.cast(pa.schema([(field.name, kinds.get(field.type, field.type)) for field in chunk.schema]))


def _cleaned(
    table: pa.Table, columns: Mapping[str, Column], clean: Clean, removed: dict[str, int]
) -> tuple[pa.Table, int]:
    """The rows that stay, and how many of them are empty; counts of the others go to ``removed``."""
    texts = [table[name] for name, column in columns.items() if column.kind == "text"]
    length = sum(np.asarray(pc.utf8_length(text).to_numpy(), dtype=np.int64) for text in texts)
    blank = np.zeros(table.num_rows, dtype=bool)
    for text in texts:
        blank |= np.asarray(pc.utf8_length(pc.utf8_trim_whitespace(text)).to_numpy()) == 0
    keep = np.ones(table.num_rows, dtype=bool)
    for reason, mask in (
        ("empty", blank if clean.drop_empty else None),
        ("too short", length < clean.min_length if clean.min_length is not None else None),
        ("too long", length > clean.max_length if clean.max_length is not None else None),
    ):
        if mask is not None:
            removed[reason] += int((keep & mask).sum())
            keep &= ~mask
    return table.filter(pa.array(keep)), int((keep & blank).sum())


def _codes(
    table: pa.Table, columns: Mapping[str, Column], shares: tuple[float, float], seed: int, given: str | None
) -> np.ndarray:
    """(rows,) numbers into ``SPLITS``: what the file says, else by the row's content."""
    if given is not None and given != "train":
        return np.full(table.num_rows, SPLITS.index(given))
    inputs = [table[name].to_pylist() for name, column in columns.items() if not column.target]
    salt = seed.to_bytes(8, "little", signed=True)
    hashed = b"".join(
        hashlib.blake2b(" ".join(repr(row).casefold().split()).encode(), digest_size=8, salt=salt).digest()
        for row in zip(*inputs, strict=True)
    )
    place = np.frombuffer(hashed, dtype="<u8") / 2.0**64
    validation, test = shares
    return np.where(place < test, 2, np.where(place < test + validation, 1, 0))


def _shares(spec: Data, readings: Sequence[resolve.Reading]) -> tuple[float, float]:
    """Fractions for validation and test; 0 where files are given for them."""
    given = {reading.place.split for reading in readings}
    found = []
    for split, value, usual in (("validation", spec.split.validation, _USUAL[0]), ("test", spec.split.test, _USUAL[1])):
        found.append(0.0 if split in given or isinstance(value, str) else usual if value is None else value)
    return found[0], found[1]


def _told(empty: int) -> list[str]:
    told = ["read as a stream: duplicates, near-duplicates and languages were not looked for"]
    if empty:
        told.append(f"{plural(empty, 'row')} without content. To leave such rows out: clean: {{drop_empty: true}}")
    return told


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
