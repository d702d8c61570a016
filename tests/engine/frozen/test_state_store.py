"""States are kept once, found again, and never believed when damaged; without room for them all goes on."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch

from dianji.adapt.frozen import Frozen
from dianji.adapt.last_layers import LastLayers
from dianji.engine.frozen import file, state_store
from dianji.engine.frozen.state_store import graph_split_of, in_memory, stored_states
from dianji.engine.frozen.states import Fresh, StoredStates, alike
from dianji.kernels.layers.fast import FastLayers, find_fast_layers
from dianji.kernels.native import tiles
from dianji.testing import toys
from tests.engine.frozen.conftest import Made, images

KINDS = {
    "pooled": lambda folder: Made(folder, adaptation=Frozen()),
    "tokens": lambda folder: Made(folder, adaptation=LastLayers(1)),
    "bf16": lambda folder: Made(folder, adaptation=LastLayers(1), precision="bf16"),
    "images": lambda folder: images(folder),
}


def keep_all(made, log, examples="one"):
    reader = made.reader()
    cut = graph_split_of(reader)
    return stored_states(cut, reader, examples, made.store(log))


def file_of(made):
    (path,) = made.folder.rglob("states.safetensors")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_is_what_would_be_computed(kind, tmp_path, log):
    made = KINDS[kind](tmp_path)
    found = keep_all(made, log)
    assert isinstance(found, StoredStates)
    reader = made.reader()
    fresh = Fresh(found.cut, dataclasses.replace(reader, model=found.cut.model))
    memory = in_memory(found.cut, fresh.reader, log, "")
    assert np.array_equal(memory.values, found.values)
    batch = np.array([7, 2, 19, 11])
    seen = []
    handle = found.cut.model.get_submodule(found.cut.path).register_forward_hook(
        lambda _, inputs, output: seen.append(inputs[0].clone())
    )
    for states in (found, fresh, memory):
        with states.of(batch):
            reader.task.loss(found.cut.model, fresh.reader.sample(batch).batch)
    handle.remove()
    assert torch.equal(seen[0], seen[2])
    if fresh.reader.exact:
        assert torch.equal(seen[0], seen[1])
    else:  # in bf16 they agree within the precision
        torch.testing.assert_close(seen[0], seen[1], rtol=2e-2, atol=2e-2)


def test_kept_once_then_read(tmp_path, log):
    made = Made(tmp_path)
    first, again = keep_all(made, log), keep_all(made, log)
    assert np.array_equal(first.values, again.values)
    assert ["computed once" in line for line in log.said] == [True, False]
    assert "read from the cache" in log.said[1]
    assert keep_all(made, log, examples="others").values is not None
    assert "computed once" in log.said[2]


def test_other_weights_have_states_of_their_own(tmp_path, log):
    made = Made(tmp_path)
    keep_all(made, log)
    reader = made.reader()
    with torch.no_grad():
        next(reader.model.parameters()).add_(1)
    stored_states(graph_split_of(reader), reader, "one", made.store(log))
    assert "computed once" in log.said[1]


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-5])


def damage_bit(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def damage_header(path):
    path.write_bytes(b"\x05" + path.read_bytes()[1:])


def damage_empty(path):
    path.write_bytes(b"")


def damage_other(path):
    layout = file.Layout("other", torch.float32, (24, 16))
    file.write(path, layout, [np.zeros((24, 16), dtype=np.float32)])


@pytest.mark.parametrize("damage", [damage_truncate, damage_bit, damage_header, damage_empty, damage_other])
def test_a_damaged_or_stale_file_is_computed_again_and_said(damage, tmp_path, log):
    made = Made(tmp_path)
    values = np.array(keep_all(made, log).values)
    damage(file_of(made))
    again = keep_all(made, log)
    assert np.array_equal(again.values, values)
    (warning,) = log.warned
    assert str(file_of(made)) in warning
    assert "computed again" in warning
    keep_all(made, log)
    assert len(log.warned) == 1


def test_a_full_disk_is_foreseen(tmp_path, log, monkeypatch):
    usage = namedtuple("usage", ["total", "used", "free"])  # as shutil gives it
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 500_000_000))
    found = keep_all(Made(tmp_path), log)
    assert isinstance(found, Fresh)
    (warning,) = log.warned
    assert "0.0 MB" in warning
    assert "500 MB" in warning
    assert not list(tmp_path.rglob("*states*"))


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path, log, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    found = keep_all(Made(tmp_path), log)
    assert isinstance(found, Fresh)
    assert "No space left on device" in log.warned[0]
    assert not list(tmp_path.rglob("*states*"))


def test_an_interruption_leaves_nothing_behind_and_a_kill_is_swept_up(tmp_path, log, monkeypatch):
    made = Made(tmp_path)
    blocks = state_store._blocks

    def interrupted(*args):
        yield next(blocks(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(state_store, "_blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keep_all(made, log)
    assert not list(tmp_path.rglob("*states*"))
    monkeypatch.setattr(state_store, "_blocks", blocks)
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / ".states.safetensors.killed").write_bytes(b"half")
    keep_all(made, log)
    assert [path.name for path in tmp_path.rglob("*states*")] == ["states.safetensors"]


def test_the_file_is_an_ordinary_safetensors_file(tmp_path, log):
    from safetensors.torch import load_file

    made = Made(tmp_path, adaptation=LastLayers(1))
    found = keep_all(made, log)
    tensors = load_file(file_of(made))
    assert list(tensors) == ["states"]
    assert np.array_equal(tensors["states"].numpy(), found.values)
    assert file_of(made).stat().st_size > state_store.predicted_size(found.cut, found.lengths)


def test_examples_are_read_with_their_like():
    lengths = np.array([3, 1, 3, 2, 3, *[4000] * 5, *[400] * 5])
    groups = [group.tolist() for group in alike(lengths, np.arange(15))]
    assert groups == [[1], [3], [0, 2, 4], [10, 11, 12, 13], [14], [5, 6, 7, 8], [9]]


@pytest.mark.parametrize("own", [True, False])
def test_what_is_read_does_not_depend_on_what_the_model_is_doing(own, tmp_path, log):
    """Fast layers that are on for training or evaluation are not the reader's."""
    made = Made(tmp_path, adaptation=LastLayers(1))
    reader = made.reader()
    cut = graph_split_of(reader)
    if own:
        reader = dataclasses.replace(reader, fast_layers=find_fast_layers(reader.model, torch.device("cpu")))
        assert reader.fast_layers.layers
    alone = in_memory(cut, reader, log, "").values
    other = find_fast_layers(reader.model, torch.device("cpu"))
    with other.evaluating():
        assert np.array_equal(in_memory(cut, reader, log, "").values, alone)
        assert all("forward" in vars(layer) for layer in other.layers)
    plain = in_memory(cut, dataclasses.replace(reader, fast_layers=FastLayers()), log, "").values
    np.testing.assert_allclose(alone, plain, atol=1e-5)


@pytest.mark.skipif(not tiles.available(), reason="this processor has no AMX")
def test_packed_examples_of_other_lengths_change_no_bit(tmp_path, log):
    """So that in bf16 they are read together, where the base's sides fit its tiles."""
    made = Made(tmp_path, base=lambda: toys.text_base(32), precision="bf16")
    reader = made.reader()
    fast = dataclasses.replace(reader, fast_layers=find_fast_layers(reader.model, torch.device("cpu")))
    assert fast.fast_layers.packs
    cut = graph_split_of(fast)
    every = np.arange(len(reader.lengths))
    assert len(set(reader.lengths)) > 1
    assert len([*fast.groups(cut, every)]) == 1 < len([*alike(reader.lengths, every)])
    together = fast.read(cut, every)
    for group in ([3], [5, 1, 8], every[::2]):
        assert torch.equal(fast.read(cut, np.array(group)), together[group])
