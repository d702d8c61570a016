"""Answers of conversations: loss by turn, and what contradicts itself."""

import numpy as np
import pytest

from dianji.evaluate.conversed import Conversed
from dianji.evaluate.ragged import Ragged
from dianji.testing import toys


@pytest.fixture
def outcome():
    """Two rows, of two answers and one; the first row's second answer is not learnt."""
    likelihood: dict[str, np.ndarray | Ragged] = {
        "nll": np.array([4.0, 3.0]),
        "tokens": np.array([2, 6]),
        "hits": np.array([1, 0]),
        "turn_nll": Ragged.of([np.array([4.0, 0.0]), np.array([3.0])]),
        "turn_tokens": Ragged.of([np.array([2, 0]), np.array([6])]),
    }
    return Conversed.told((["yes", "no"], ["yes", "maybe"]), None, likelihood)


def test_every_answer_counts_alike_and_those_without_tokens_do_not(outcome):
    assert outcome.mean_of_turns().tolist() == [2.0, 0.5]
    assert outcome.turns().tolist() == [1, 1]
    assert outcome.exact().tolist() == [True, False]
    assert not outcome.check()


def test_the_loss_is_told_by_turn(outcome):
    found = outcome.breakdown()
    assert found.by == "turn"
    assert [(name, count, figures["loss"]) for name, count, figures in found.groups] == [("1", 2, 7.0 / 8)]


def test_turns_that_do_not_add_up_are_a_fault(outcome):
    other = Conversed(**{**outcome.arrays(), "tokens": np.array([2, 7])})
    assert other.check() == ["the tokens of a row's turns do not add up to the row's tokens"]


def test_another_likelihood_is_a_distance(outcome):
    other = Conversed(**{**outcome.arrays(), "nll": np.array([4.5, 3.0])})
    assert outcome.distance(other).tolist() == [pytest.approx(0.5 / 4.5), 0.0]


def test_parts_join_to_the_whole():
    whole = toys.outcome(Conversed, 0.5)
    parts = [whole.take(np.arange(0, 20)), whole.take(np.arange(20, whole.rows))]
    assert (Conversed.join(parts).distance(whole) == 0).all()
