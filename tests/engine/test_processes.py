"""A process alone does what it would do without company; of several, each gets its rows."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dianji.engine.collective import Collective, _buckets
from dianji.engine.joining import joined
from dianji.engine.processes import ALONE
from dianji.errors import CapabilityError
from dianji.launch import Launch
from dianji.tasks.base import Loss


def one_of(count: int, rank: int) -> Collective:
    """A process that talks to none."""
    return Collective(Launch(rank=rank, count=count), cast(Any, None), cast(Any, None))


@given(rows=st.integers(1, 9), count=st.integers(2, 5))
def test_every_row_is_one_process_s(rows, count):
    batch = {"ids": torch.arange(rows * 2).view(rows, 2), "label": torch.arange(rows)}
    shares = [one_of(count, rank).share(batch) for rank in range(count)]
    counted = [share.batch for share in shares if share.counts]
    assert sorted(torch.cat([found["label"] for found in counted]).tolist()) == list(range(rows))
    assert all((found["ids"][:, 0] == 2 * found["label"]).all() for found in counted)
    assert all(len(share.batch["label"]) >= 1 for share in shares)


def test_a_row_that_is_only_taken_for_company_counts_for_nothing():
    share = one_of(3, 2).share({"label": torch.arange(2)})
    assert share.counted(Loss(torch.tensor(2.0), 5)) == Loss(torch.tensor(2.0), 0)
    assert one_of(3, 1).share({"label": torch.arange(2)}).counted(Loss(torch.tensor(2.0), 5)).items == 5


@pytest.mark.parametrize(
    "batch",
    [
        {"ids": torch.ones(4, 2), "spans": torch.ones(3)},
        {"ids": torch.tensor(1.0)},
        {"ids": {"input_ids": torch.ones(4, 2)}, "__sizes__": {"ids": 4}},  # of a stage with several parts
    ],
)
def test_a_batch_that_is_not_made_of_rows_is_refused(batch):
    with pytest.raises(CapabilityError, match=r"not rows of equal number \(ids .* Train in one process"):
        one_of(2, 0).share(batch)


def test_each_process_draws_its_own_numbers():
    drawn = []
    for rank in (0, 1, 0):
        one_of(2, rank).seed(7, 3, 1, 0)
        drawn.append(torch.rand(2).tolist())
    assert drawn[0] == drawn[2] != drawn[1]


def test_buckets_hold_every_gradient_once_and_no_two_kinds():
    gradients = [torch.zeros(2**23), torch.zeros(3), torch.zeros(3, dtype=torch.float64), torch.zeros(2**23)]
    buckets = list(_buckets(gradients))
    assert [id(gradient) for bucket in buckets for gradient in bucket] == [id(gradient) for gradient in gradients]
    assert [len(bucket) for bucket in buckets] == [1, 1, 1, 1]
    assert [len(bucket) for bucket in _buckets([torch.zeros(3), torch.zeros(4)])] == [2]


def test_alone_nothing_changes():
    batch, parameter = {"ids": torch.ones(2, 3)}, torch.nn.Parameter(torch.ones(2))
    before = torch.get_rng_state()
    ALONE.seed(1, 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert ALONE.share(batch).batch is batch
    assert ALONE.total(3, 0.25) == (3, 0.25)
    assert ALONE.slowest(1.5) == 1.5
    assert ALONE.any(False, True) == (False, True)
    assert ALONE.on_main(max, 1, 2) == 2
    assert ALONE.describe() == ""
    ALONE.sum_gradients([parameter])
    assert parameter.grad is None


def test_alone_a_lock_is_held_and_let_go():
    story = []

    @contextmanager
    def lock():
        story.append("held")
        yield
        story.append("let go")

    with ALONE.hold(lock()), ALONE.main_first():
        story.append("worked")
    assert story == ["held", "worked", "let go"]


def test_without_a_launcher_there_is_one(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with joined() as processes:
        assert processes is ALONE


def test_a_process_alone_sets_up_no_distribution():
    """Neither imports what only several processes need, nor initialises torch's part of it."""
    script = (
        "import sys, torch; from dianji.engine.joining import joined; import dianji.pipeline.execute\n"
        "with joined(): pass\n"
        "assert 'dianji.engine.collective' not in sys.modules\n"
        "assert not torch.distributed.is_initialized()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
