"""A few examples are read to the bit as among all, even where the size of a group changes the last bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from dianji.adapt.last_layers import LastLayers
from dianji.engine.frozen.exact import ROWS, ExactReader, arithmetic, filled
from dianji.engine.frozen.state_store import graph_split_of, in_memory
from dianji.engine.frozen.states import Fresh, Reader, StoredStates
from dianji.reporting import Silent
from tests.engine.frozen.conftest import Made, images

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Uneven(Reader):
    """On a processor that computes groups of some sizes in another way."""

    way: Callable[[int], int] = lambda rows: 0
    read_rows: list[int] = field(default_factory=list)

    def read(self, cut, indices, rows=ROWS):
        computed = max(rows, filled(len(indices)))
        self.read_rows.append(computed)
        found = super().read(cut, indices, rows)
        return found * (1 + 2**-20 * self.way(computed))


def uneven(made: Made, way: Callable[[int], int]) -> Uneven:
    reader = made.reader()
    known = {item.name: getattr(reader, item.name) for item in dataclasses.fields(reader)}
    return Uneven(**known, way=way)


def state_of(states: Fresh | StoredStates, reader: Reader, indices: np.ndarray) -> torch.Tensor:
    """What the part after the cut is given."""
    seen: list[torch.Tensor] = []
    cut = states.cut
    handle = cut.model.get_submodule(cut.path).register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    try:
        with torch.no_grad(), states.of(indices):
            reader.run(reader.sample(indices).batch)
    finally:
        handle.remove()
    return seen[0]


PROCESSORS: dict[str, Callable[[int], int]] = {
    "no size differs": lambda rows: 0,
    "few rows differ": lambda rows: rows <= 8,
    "multiples of eight differ": lambda rows: rows % 8 == 0,
    "all but the largest differ": lambda rows: rows != 24,
    "every size differs": lambda rows: rows,
}


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("kind", ["images", "tokens"])
def test_what_is_read_anew_is_what_is_stored(kind, processor, tmp_path):
    made = images(tmp_path) if kind == "images" else Made(tmp_path, adaptation=LastLayers(1))
    reader = uneven(made, PROCESSORS[processor])
    cut = graph_split_of(reader)
    stored = in_memory(cut, reader, Silent(), "")
    fresh = Fresh(cut, reader)
    for batch in ([5], [0, 9, 3], [7, 2, 19, 11, 4], list(range(1, 20))):
        indices = np.array(batch)
        assert torch.equal(state_of(fresh, reader, indices), state_of(stored, reader, indices))


def test_without_a_proof_it_would_not_be(tmp_path):
    """The processor of these tests differs where it should."""
    reader = uneven(images(tmp_path), PROCESSORS["few rows differ"])
    cut = graph_split_of(reader)
    few = np.array([3])
    proved, unproved = (state_of(Fresh(cut, reader, as_stored=claimed), reader, few) for claimed in (True, False))
    assert not torch.equal(proved, unproved)


def test_a_size_is_tried_once_and_larger_ones_where_it_fails(tmp_path):
    reader = uneven(images(tmp_path), PROCESSORS["few rows differ"])
    cut = graph_split_of(reader)
    found = ExactReader(cut, reader)
    found.read(np.array([3]))
    assert found.tried == {(4, 1): False, (8, 1): False, (16, 1): True}
    reader.read_rows.clear()
    found.read(np.array([4, 5]))
    assert reader.read_rows == [16]


def test_where_no_size_agrees_all_of_a_length_are_read(tmp_path):
    reader = uneven(images(tmp_path), PROCESSORS["every size differs"])
    cut = graph_split_of(reader)
    found = ExactReader(cut, reader)
    found.read(np.array([3]))
    assert not any(found.tried.values())
    reader.read_rows.clear()
    found.read(np.array([4, 5]))
    assert reader.read_rows == [24]


def test_nothing_is_tried_where_nothing_is_claimed(tmp_path):
    assert images(tmp_path).reader().exact
    made = images(tmp_path, precision="bf16")
    reader = uneven(made, PROCESSORS["few rows differ"])
    assert not reader.exact
    cut = graph_split_of(reader)
    reader.read_rows.clear()
    state_of(Fresh(cut, reader), reader, np.array([3]))
    assert reader.read_rows == [4]


def test_states_of_another_arithmetic_are_others(monkeypatch):
    before = torch.get_num_threads()
    here = arithmetic(CPU)
    torch.set_num_threads(before + 1)
    try:
        assert arithmetic(CPU) != here
    finally:
        torch.set_num_threads(before)
    assert arithmetic(CPU) == here
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert arithmetic(CPU) != here


def test_groups_are_filled_up():
    assert [filled(rows) for rows in (1, 4, 5, 24)] == [4, 4, 8, 24]
