"""Threads that share a model: each gets what it gets alone, whatever the others ask for at the same time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dianji.engine.inference import Inference
from dianji.kernels.layers import packing, patching
from dianji.kernels.layers.fast import FastLayers, find_fast_layers
from tests.kernels.layers.test_layers import batch_of, make
from tests.needs import need_kernels

CPU = torch.device("cpu")
ROUNDS = 15
LENGTHS = ((9, 1, 33, 7, 16), (4, 4, 4), (30, 2), (1, 1, 12))


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Python changes threads a thousand times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=["padded", "packed"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Rows with padding between layers, or without, which on a CPU needs tiles, or to be told to."""
    if request.param == "packed":
        need_kernels()
        monkeypatch.setattr(packing, "packs", lambda rows, packed: True)
        monkeypatch.setattr(FastLayers, "packs", property(lambda fast: fast.by.packs))
    return str(request.param)


def said(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    found: Tensor = model(**batch).last_hidden_state
    return found


def at_once(tasks: Sequence[Callable[[], Any]]) -> list[list[Any]]:
    """What each task gives, several times over, while the others run."""
    together = threading.Barrier(len(tasks))

    def again(task: Callable[[], Any]) -> list[Any]:
        together.wait()
        return [task() for _ in range(ROUNDS)]

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(again, tasks))


@pytest.mark.parametrize("model_type", ["bert", "vit", "gpt2"])
def test_two_threads_that_ask_in_bf16_get_what_each_gets_alone(model_type: str, form: str) -> None:
    model = make(model_type).eval()
    batches = [batch_of(model_type, lengths) for lengths in LENGTHS[:2]]
    asking = Inference(model, "bf16")

    def ask(batch: dict[str, Tensor]) -> Tensor:
        with torch.inference_mode(), asking.on():
            return said(model, batch)

    alone = [ask(batch) for batch in batches]
    for found, wanted in zip(at_once([partial(ask, batch) for batch in batches]), alone, strict=True):
        assert all(torch.equal(one, wanted) for one in found)
    assert not any("forward" in vars(module) for module in model.modules())


def test_the_first_answers_of_several_threads_are_right_too(form: str) -> None:
    """When nothing is cast yet, all of them want to be the first."""
    for _ in range(5):
        model = make("bert").eval()
        batches = [batch_of("bert", lengths) for lengths in LENGTHS]
        with torch.inference_mode(), Inference(model, "bf16").on():
            alone = [said(model, batch) for batch in batches]
        asking = Inference(model, "bf16")
        ready = threading.Barrier(len(batches))

        def first(
            batch: dict[str, Tensor], asking: Inference = asking, ready: Any = ready, model: Any = model
        ) -> Tensor:
            ready.wait()
            with torch.inference_mode(), asking.on():
                return said(model, batch)

        with ThreadPoolExecutor(len(batches)) as pool:
            found = list(pool.map(first, batches))
        assert all(map(torch.equal, found, alone))


def test_one_thread_asks_for_fast_layers_and_another_for_plain_ones(form: str) -> None:
    model = make("bert").eval()
    batches = [batch_of("bert", lengths) for lengths in LENGTHS[:3]]
    askings = [Inference(model, "bf16"), Inference(model, "fp32"), Inference(model, "bf16")]

    def ask(asking: Inference, batch: dict[str, Tensor]) -> Tensor:
        with torch.inference_mode(), asking.on():
            return said(model, batch)

    alone = [ask(*pair) for pair in zip(askings, batches, strict=True)]
    assert not torch.equal(alone[1], ask(askings[0], batches[1]))  # so that it shows which was taken
    tasks = [partial(ask, *pair) for pair in zip(askings, batches, strict=True)]
    for found, wanted in zip(at_once(tasks), alone, strict=True):
        assert all(torch.equal(one, wanted) for one in found)


def test_who_leaves_first_takes_nothing_from_the_other() -> None:
    model = make("bert").eval()
    fast, layer = find_fast_layers(model, CPU), model.get_submodule("encoder.layer.0")
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with fast.on():
            inside.set()
            assert leave.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(60)
    assert patching._FORMS.of == {}  # it is the other's
    with fast.on():
        mine = patching._FORMS.of[layer]
    assert isinstance(vars(layer)["forward"], patching._Switch)
    leave.set()
    thread.join()
    assert "forward" not in vars(layer)
    assert isinstance(mine, patching.Passing)


def test_a_layer_whose_answer_is_known_is_left_alone() -> None:
    model = make("bert").eval()
    layer = model.get_submodule("encoder.layer.0")
    known: Any = lambda *_, **__: torch.zeros(1)  # noqa: E731
    layer.forward = known
    with find_fast_layers(model, CPU).on():
        assert vars(layer)["forward"] is known
    assert vars(layer)["forward"] is known


def test_a_thread_s_own_forms_are_those_of_the_outer_context() -> None:
    model = make("bert").eval()
    outer, inner = find_fast_layers(model, CPU), find_fast_layers(model, CPU)
    layer = model.get_submodule("encoder.layer.0")
    with outer.on():
        form = patching._FORMS.of[layer]
        with inner.on():
            assert patching._FORMS.of[layer] is form
        assert patching._FORMS.of[layer] is form
    assert patching._FORMS.of == {}
