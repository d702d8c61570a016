"""Decides whether frozen states are stored, and stores them once on a disk with enough space."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from filelock import FileLock

from dianji.engine.frozen import file
from dianji.engine.frozen.exact import arithmetic
from dianji.engine.frozen.file import KINDS, Layout, Stale
from dianji.engine.frozen.graph_split import GraphSplit, find_graph_split
from dianji.engine.frozen.shapes import NotSplittable
from dianji.engine.frozen.states import Fresh, Reader, StoredStates, places
from dianji.kernels.native import library
from dianji.reporting import Meter, Reporter
from dianji.store.digest import digest_value

#: Changes when the same key would give other states than before.
FORMAT = 2
#: Room that must be left on the disk: checkpoints and the artefact are written there too.
LEFT_FREE = 512 * 2**20
#: Relative difference between the whole model and the cut one, by the run's precision.
TOLERANCE = {"fp32": 1e-3}
LOW_PRECISION_TOLERANCE = 0.1
CHECKED = 8  # examples on which both must agree


@dataclass(frozen=True)
class StateStore:
    """The folder of stored states, and the stage and reporter of messages about them."""

    folder: Callable[[str], Path]  # by digest
    stage: str
    reporter: Reporter


def graph_split_of(reader: Reader) -> GraphSplit:
    """The split of the reader's model.

    Raises:
        NotSplittable: there is none; the message gives the reason.
    """
    lengths = reader.lengths
    if len(lengths) < CHECKED:
        raise NotSplittable(f"there are only {len(lengths)} examples")
    order = np.argsort(lengths, kind="stable")
    probes = reader.sample(order[[0, 0, 0]]), reader.sample(order[[-1, -1]])
    check = reader.sample(order[np.linspace(0, len(order) - 1, CHECKED).astype(np.int64)])
    tolerance = TOLERANCE.get(reader.runtime.precision, LOW_PRECISION_TOLERANCE)
    cut = find_graph_split(reader.model, reader.run, probes, check, tolerance)
    if cut.state.dtype not in KINDS:
        raise NotSplittable(f"its states are {cut.state.dtype}")
    return cut


def stored_states(cut: GraphSplit, reader: Reader, examples: str, store: StateStore) -> StoredStates | Fresh:
    """The states of all examples, read from the disk, or computed and stored; ``Fresh`` where the disk is full.

    Args:
        cut: of the reader's model.
        reader: of one split.
        examples: a digest that determines the encoded examples.
        store: the place of stored states.
    """
    lengths = reader.lengths
    starts, count = places(cut, lengths)
    layout = Layout(_key(cut, reader, examples), cut.state.dtype, (count, *cut.item))
    path = store.folder(layout.key) / "states.safetensors"
    what = f"{store.stage}: the frozen states of {len(lengths):,} examples, before '{cut.path}',"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / "lock"):  # a second process reads what the first has written
            values = _values(path, layout, cut, reader, store.reporter, what)
    except OSError as error:
        store.reporter.warn(
            f"{what} cannot be stored ({_size(layout)}): {path.parent}: {error.strerror or error}. Training goes "
            "on without them, to the same result, more slowly. Free some space, or set DIANJI_HOME."
        )
        return Fresh(cut, reader)
    return Fresh(cut, reader) if values is None else StoredStates(cut, lengths, values, starts, reader.runtime.device)


def in_memory(cut: GraphSplit, reader: Reader, reporter: Reporter, title: str) -> StoredStates:
    """The states of all examples, in main memory."""
    lengths = reader.lengths
    starts, count = places(cut, lengths)
    values = np.empty((count, *cut.item), dtype=KINDS[cut.state.dtype][1])
    begin = 0
    with reporter.work(title, len(lengths), "examples") as meter:
        for block in _blocks(cut, reader, meter):
            values[begin : begin + len(block)] = block
            begin += len(block)
    return StoredStates(cut, lengths, values, starts, reader.runtime.device)


def predicted_size(cut: GraphSplit, lengths: np.ndarray) -> int:
    """Bytes on the disk."""
    return Layout("", cut.state.dtype, (places(cut, lengths)[1], *cut.item)).size


def lack_of_space(size: int, folder: Path) -> str:
    """A message that so many bytes do not fit on the disk; empty where they fit."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size + LEFT_FREE <= free:
        return ""
    return (
        f"{size / 1e6:,.1f} MB, and of {free / 1e6:,.0f} MB that are free at {folder} {LEFT_FREE / 1e6:,.0f} MB are "
        "reserved: they are not stored. Training goes on without them, to the same result, more slowly. Free some "
        "space, or set DIANJI_HOME."
    )


def _values(
    path: Path, layout: Layout, cut: GraphSplit, reader: Reader, reporter: Reporter, what: str
) -> np.ndarray | None:
    if path.exists():
        try:
            values = file.read(path, layout)
        except Stale as reason:
            reporter.warn(f"{path}: {reason}. Its states are computed again.")
        else:
            reporter.say(f"{what} are read from the cache ({_size(layout)})")
            return values
    file.sweep(path)
    if shortage := lack_of_space(layout.size, path.parent):
        reporter.warn(f"{what} would take {shortage}")
        return None
    began = time.monotonic()
    with reporter.work(f"before '{cut.path}'", len(reader.lengths), "examples") as meter:
        file.write(path, layout, _blocks(cut, reader, meter))
    reporter.say(f"{what} are computed once and stored: {_size(layout)} in {time.monotonic() - began:.1f} s")
    return file.read(path, layout)


def _blocks(cut: GraphSplit, reader: Reader, meter: Meter) -> Iterator[np.ndarray]:
    """All states, in the order of ``places``."""
    for group in reader.groups(cut, np.arange(len(reader.lengths))):
        found = reader.read(cut, group).cpu().contiguous()
        block: np.ndarray = found.view(_whole(found.dtype)).numpy()
        yield block.reshape(-1, *cut.item) if cut.ragged else block
        meter.advance(len(group))


def _whole(dtype: torch.dtype) -> torch.dtype:
    """The type under which numpy holds it."""
    return torch.uint16 if dtype is torch.bfloat16 else dtype


def _key(cut: GraphSplit, reader: Reader, examples: str) -> str:
    state = [str(cut.state.dtype), [str(size) for size in cut.state.dimensions]]
    where = [reader.runtime.precision, reader.runtime.device.type, torch.__version__, transformers.__version__]
    where.append(f"fast {library.identity()}" if reader.fast_layers.layers else "plain")
    rounding = arithmetic(reader.runtime.device)
    return digest_value([FORMAT, examples, cut.path, str(cut.place), state, cut.digest, *where, rounding])


def _size(layout: Layout) -> str:
    return f"{layout.size / 1e6:,.1f} MB"
