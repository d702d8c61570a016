"""Threads that ask one opened model at the same time, from its very first answer on, get what each gets alone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dianji.artefact.opened import Model

TEXTS = (["lost my card", "how much is the fee for a transfer abroad", "hi"], ["top up", "exchange rate"] * 3)


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Python changes threads a thousand times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_threads_get_what_each_gets_alone(artefact: Path, precision: str) -> None:
    alone = [Model.open(artefact, precision=precision).predict(texts) for texts in TEXTS]
    for _ in range(3):
        model, ready = Model.open(artefact, precision=precision), threading.Barrier(2)

        def ask(texts: list[str], model: Model = model, ready: threading.Barrier = ready) -> list[Any]:
            ready.wait()
            return [model.predict(texts) for _ in range(10)]

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(ask, TEXTS))
        for answers, wanted in zip(found, alone, strict=True):
            assert all(answer == wanted for answer in answers)


def test_all_threads_have_one_network(artefact: Path) -> None:
    model, ready = Model.open(artefact), threading.Barrier(4)

    def network(_: int) -> int:
        ready.wait()
        return id(model.network)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(network, range(4)))) == 1
