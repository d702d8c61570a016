"""Divide, the line's seventh step: what is given for a split stays there, the rest is divided as the recipe says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dianji.data.content import mixed
from dianji.data.division import UNLABELLED, Divider, as_given
from dianji.data.findings import Findings
from dianji.data.labels import check_labels
from dianji.data.limit import choose, parse
from dianji.data.line import Batch, Flow
from dianji.data.source import SPLITS
from dianji.data.splits import Shares


def divide(flow: Flow) -> Flow:
    """Batches with the split of every row, without training rows beyond ``limit``.

    Which split a row of a stream goes to follows from its own content and the seed.

    Raises:
        DataError: the rows cannot be divided so, or a label of validation or test does not occur in training; if rows
            are read as a whole.
    """
    request = flow.request
    if request.chunks:
        shares = _stream_shares(flow)
        return flow.map(
            lambda batch: replace(batch, split=_by_content(batch, shares, request.seed, len(flow.readings)))
        )
    batch = flow.whole
    divider = Divider(request.spec, request.wanted, request.seed, request.section)
    if request.divide:
        split = divider.divide(batch.table, batch.content, flow.findings)
    else:
        split = as_given(batch.table, flow.findings)
    flow.findings.check()
    batch = _limited(replace(batch, split=split), divider, flow.findings)
    told = flow.findings if request.divide else Findings()
    check_labels(batch.table, batch.split, request.wanted, request.section, told)
    flow.findings.check()
    if not request.divide:  # data that are only looked at need not be fit to learn from
        flow.findings.warnings += told.faults
    return replace(flow, batches=(batch,))


def _limited(batch: Batch, divider: Divider, findings: Findings) -> Batch:
    """Fewer training rows; validation and test stay whole."""
    if divider.spec.limit is None:
        return batch
    limit = parse(divider.spec.limit)
    training = np.flatnonzero(batch.split == 0)
    label = divider.label()
    classes = None
    if label is not None:
        classes = np.unique(np.asarray(batch.table[label].take(training).to_pylist()), return_inverse=True)[1]
    chosen = training[choose(limit, classes, batch.content.order[training], divider.seed, divider.section)]
    kept = batch.split != 0
    kept[chosen] = True
    if not limit.per_label and len(chosen) < limit.count:
        findings.warn(f"limit: {limit.count:,} rows were asked for, and the training split has {len(chosen):,}")
    return batch.filter(kept)


def _stream_shares(flow: Flow) -> Shares:
    """Fractions for validation and test; 0 where files are given for them."""
    spec = flow.request.spec.split
    given = {reading.place.split for reading in flow.readings}
    wanted = []
    for split, value, usual in zip(SPLITS[1:], (spec.validation, spec.test), UNLABELLED, strict=True):
        absent = not (split in given or isinstance(value, str))
        wanted.append(0.0 if not absent else usual if value is None else float(value or 0.0))
    return Shares(wanted[0], wanted[1])


def _by_content(batch: Batch, shares: Shares, seed: int, places: int) -> np.ndarray:
    """(rows,) int8: what the file says, else by the row's content."""
    given = batch.reading.place.split if batch.reading is not None and places > 1 else None
    rows = batch.table.num_rows
    if given is not None and given != "train":
        return np.full(rows, SPLITS.index(given), dtype=np.int8)
    salt = np.full(rows, seed % 2**64, dtype=np.uint64)
    place = mixed([salt, batch.content.hash], rows) / 2.0**64
    return np.where(place < shares.test, 2, np.where(place < shares.test + shares.validation, 1, 0)).astype(np.int8)
