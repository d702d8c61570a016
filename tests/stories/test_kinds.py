"""Which kinds of artefacts the story of every verb goes through."""

from __future__ import annotations

import pytest

from dianji.registry import REGISTRY
from dianji.testing.kinds import Kind, drawn, kinds
from dianji.testing.layouts import LAYOUTS
from tests.stories.test_every_verb import contract_tests


@pytest.fixture(scope="module")
def every() -> list[Kind]:
    return kinds(contract_tests(), seed=1)


def test_every_task_adaptation_and_architecture_is_among_them(every: list[Kind]) -> None:
    written = [[kind.task.written, kind.adaptation.written, kind.base.written] for kind in every]
    told = {part if isinstance(part, str) else next(iter(part)) for parts in written for part in parts}
    architectures = {part["new"] for parts in written for part in parts if isinstance(part, dict) and "new" in part}
    assert {*REGISTRY.names("task"), *REGISTRY.names("adaptation")} <= told
    assert set(REGISTRY.names("architecture")) <= architectures


def test_each_is_there_once(every: list[Kind]) -> None:
    assert len({str(kind) for kind in every}) == len(every)
    assert len({kind.values()[:4] for kind in every}) == len(every)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_layouts_meet_nearly_all_tasks_and_bases_that_they_can_meet(seed: int) -> None:
    found = kinds(contract_tests(), seed)
    possible = kinds(contract_tests(), seed, everything=True)

    def pairs(of: list[Kind]) -> set[tuple[str, str]]:
        tasks = {(type(kind.task.task).__name__, kind.layout.name) for kind in of}
        return tasks | {(kind.base.name, kind.layout.name) for kind in of}

    missed = pairs(possible) - pairs(found)
    assert len(missed) <= 0.1 * len(pairs(possible)), sorted(missed)
    assert {kind.task.name for kind in found} == {kind.task.name for kind in possible}


def test_a_draw_has_every_value(every: list[Kind]) -> None:
    some = drawn(every, 0.1, seed=4)
    assert len(some) == round(0.1 * len(every))
    assert some == drawn(every, 0.1, seed=4) != drawn(every, 0.1, seed=5)
    for axis in range(5):
        assert {kind.values()[axis] for kind in some} == {kind.values()[axis] for kind in every}
    assert {kind.layout.name for kind in some} == {layout.name for layout in LAYOUTS}
