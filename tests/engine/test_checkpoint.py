"""Checkpoints: whole or not at all, the newest sound one is used, two are kept."""

from __future__ import annotations

import errno
import math
import os

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from dianji.engine import checkpoint
from dianji.engine.checkpoint import Snapshot
from dianji.errors import ResumeError, StoreError
from dianji.registry import REGISTRY


def snapshot(value):
    made = Snapshot()
    made.add("model", {"weight": torch.full((3, 2), float(value))}, {})
    made.add("technique-0", {"deep/name": torch.tensor(value)}, {"score": None, "best": math.inf, "名": [1, 2.5]})
    made.values["loop"] = {"step": value}
    return made


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoint"


@pytest.fixture
def three(folder):
    for step in (1, 2, 3):
        checkpoint.write(folder, step, snapshot(step))
    return folder


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "flipped weights": lambda folder: flip(folder / "state.safetensors"),
    "flipped values": lambda folder: flip(folder / "state.json"),
    "flipped digests": lambda folder: (folder / "digests.json").write_text("{"),
    "truncated": lambda folder: (folder / "state.safetensors").write_bytes(b"\x08"),
    "missing weights": lambda folder: (folder / "state.safetensors").unlink(),
    "missing digests": lambda folder: (folder / "digests.json").unlink(),
}


def test_round_trip(folder):
    checkpoint.write(folder, 12, snapshot(12))
    found = checkpoint.newest(folder)
    assert found is not None
    assert (found.step, found.damaged) == (12, ())
    tensors, values = found.snapshot.part("technique-0")
    assert tensors == {"deep/name": torch.tensor(12)}
    assert values == {"score": None, "best": math.inf, "名": [1, 2.5]}
    assert found.snapshot.values["loop"] == {"step": 12}
    assert torch.equal(found.snapshot.part("model")[0]["weight"], torch.full((3, 2), 12.0))


def test_prefixes_do_not_meet():
    made = Snapshot()
    for number in (1, 10):
        made.add(f"technique-{number}", {"x": torch.tensor(number)}, {})
    assert made.part("technique-1")[0] == {"x": torch.tensor(1)}


def test_there_is_none_at_first(folder):
    assert checkpoint.newest(folder) is None
    folder.mkdir()
    assert checkpoint.newest(folder) is None


def test_the_two_newest_are_kept(three):
    assert names(three) == ["0000000002", "0000000003"]


def test_the_same_step_may_be_saved_again(three):
    checkpoint.write(three, 3, snapshot(33))
    found = checkpoint.newest(three)
    assert found is not None
    assert found.snapshot.values["loop"] == {"step": 33}


def test_tensors_may_share_memory_and_may_be_cut_out(folder):
    weight = torch.arange(12.0).view(3, 4)
    made = Snapshot()
    made.add("model", {"a": weight, "tied": weight, "turned": weight.T, "scalar": weight[0, 1]}, {})
    checkpoint.write(folder, 1, made)
    found = checkpoint.newest(folder)
    assert found is not None
    assert torch.equal(found.snapshot.part("model")[0]["turned"], weight.T)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
class TestDamage:
    def test_the_one_before_is_used_and_told(self, three, damage):
        damage(three / "0000000003")
        found = checkpoint.newest(three)
        assert found is not None
        assert found.step == 2
        assert len(found.damaged) == 1
        assert "0000000003" in found.damaged[0]

    def test_where_all_are_damaged_it_is_an_error(self, three, damage):
        for path in list(three.iterdir()):
            damage(path)
        with pytest.raises(ResumeError, match=r"every checkpoint is damaged:\n.*\n.*\nStart .* --again"):
            checkpoint.newest(three)


class TestFullDisk:
    def fail(self, *arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def test_the_older_ones_stay(self, three, monkeypatch):
        monkeypatch.setattr(os, "fsync", self.fail)
        with pytest.raises(StoreError, match="the disk is full"):
            checkpoint.write(three, 4, snapshot(4))
        assert names(three) == ["0000000002", "0000000003"]

    def test_also_where_safetensors_hits_it(self, three, monkeypatch):
        def fail(tensors, path):
            path.write_bytes(b"half")
            raise SafetensorError("I/O error: No space left on device (os error 28)")

        monkeypatch.setattr(checkpoint, "save_file", fail)
        with pytest.raises(StoreError, match=r"cannot be written \(I/O error: No space left"):
            checkpoint.write(three, 4, snapshot(4))
        assert names(three) == ["0000000002", "0000000003"]


def stepped(name, model, steps):
    optimizer = REGISTRY.build("optimizer", name, {}).build(groups(model))
    walk(optimizer, model, steps)
    return optimizer


def groups(model):
    weights, biases = [p for p in model.parameters() if p.ndim > 1], [p for p in model.parameters() if p.ndim == 1]
    return [
        {"params": weights, "lr": 0.01, "base_lr": 0.01, "weight_decay": 0.1},
        {"params": biases, "lr": 0.02, "base_lr": 0.02, "weight_decay": 0.0},
    ]


def walk(optimizer, model, steps):
    for step in steps:
        torch.manual_seed(step)
        model(torch.randn(4, 6)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def toy():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 2))


@pytest.mark.parametrize("name", sorted(REGISTRY.names("optimizer")))
def test_every_optimizer_goes_on_to_the_bit_after_a_round_trip(folder, name):
    if name == "adamw-8bit":
        pytest.importorskip("torchao")
    whole = toy()
    walk(stepped(name, whole, range(3)), whole, range(3, 6))

    model = toy()
    optimizer = stepped(name, model, range(3))
    made = Snapshot()
    made.add("model", checkpoint.learnt(model), {})
    made.add("optimizer", *checkpoint.pack_optimizer(optimizer))
    checkpoint.write(folder, 3, made)

    again = toy()
    found = checkpoint.newest(folder)
    assert found is not None
    fresh = stepped(name, again, [])
    checkpoint.put_back(again, found.snapshot.part("model")[0])
    checkpoint.unpack_optimizer(fresh, *found.snapshot.part("optimizer"))
    assert fresh.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    walk(fresh, again, range(3, 6))
    for expected, value in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(expected, value)


class TestLearnt:
    def test_frozen_weights_are_not_written_buffers_are(self):
        model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        for parameter in model[0].parameters():
            parameter.requires_grad_(False)
        assert sorted(checkpoint.learnt(model)) == [
            "1.bias",
            "1.num_batches_tracked",
            "1.running_mean",
            "1.running_var",
            "1.weight",
        ]

    def test_putting_back_keeps_the_tensors_and_changes_their_values(self):
        model = toy()
        parameters = list(model.parameters())
        saved = {name: tensor.clone() + 1 for name, tensor in checkpoint.learnt(model).items()}
        checkpoint.put_back(model, saved)
        assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))
        assert torch.equal(model[0].weight.detach(), saved["0.weight"])

    def test_another_model_is_refused(self):
        with pytest.raises(ResumeError, match=r"of another model \(differs in 0\.bias"):
            checkpoint.put_back(toy(), {})
