from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dianji.tasks._chains import NEVER, Chain, log_marginals, log_partition, path_score, viterbi


@st.composite
def problems(draw):
    """Rows of different lengths, empty ones among them, with a chain of few tags."""
    seed, tags, time = draw(st.integers(0, 999)), draw(st.integers(1, 3)), draw(st.integers(0, 4))
    lengths = draw(st.lists(st.integers(0, time), min_size=1, max_size=3))
    rng = torch.Generator().manual_seed(seed)
    emissions, transitions = (torch.randn(*size, generator=rng) for size in ((len(lengths), time, tags), (tags, tags)))
    begin, end = (torch.randn(tags, generator=rng) for _ in range(2))
    if draw(st.booleans()):
        transitions[0, tags - 1] = NEVER
    return emissions, torch.tensor(lengths), Chain(transitions, begin, end)


def every_path(emissions, length, chain):
    """Path -> its score, one addition after the other."""
    found = {}
    for path in product(range(emissions.shape[1]), repeat=length):
        score = chain.begin[path[0]] + chain.end[path[-1]] if path else torch.tensor(0.0)
        for place, tag in enumerate(path):
            score = score + emissions[place, tag]
            if place:
                score = score + chain.transitions[path[place - 1], tag]
        found[path] = float(score)
    return found


@given(problems())
def test_everything_agrees_with_all_paths_one_by_one(problem):
    emissions, lengths, chain = problem
    partition, marginals, best = log_partition(*problem), log_marginals(*problem), viterbi(*problem)
    for row, length in enumerate(lengths.tolist()):
        scores = every_path(emissions[row], length, chain)
        total = torch.logsumexp(torch.tensor(list(scores.values())), dim=0) if length else torch.tensor(0.0)
        torch.testing.assert_close(partition[row], total, rtol=1e-4, atol=1e-3)
        path = tuple(best.path[row, :length].tolist())
        assert scores[path] == pytest.approx(max(scores.values()), abs=1e-3)
        assert best.path[row, length:].tolist() == [0] * (emissions.shape[1] - length)
        for place in range(length):
            for tag in range(emissions.shape[2]):
                through = torch.tensor([score for of, score in scores.items() if of[place] == tag])
                share = (through.logsumexp(dim=0) - total).exp()
                torch.testing.assert_close(marginals[row, place, tag].exp(), share, rtol=1e-3, atol=1e-4)
            others = [score for of, score in scores.items() if of[place] != path[place]]
            margin = max(scores.values()) - max(others) if others else float("inf")
            assert float(best.margin[row, place]) == pytest.approx(margin, rel=1e-3, abs=1e-2)


@given(problems())
def test_the_score_of_a_path_is_its_sum(problem):
    emissions, lengths, chain = problem
    path = viterbi(*problem).path
    found = path_score(emissions, lengths, chain, path)
    for row, length in enumerate(lengths.tolist()):
        expected = every_path(emissions[row], length, chain)[tuple(path[row, :length].tolist())]
        assert float(found[row]) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_begin_and_end_may_differ_from_row_to_row():
    emissions, lengths = torch.zeros(2, 2, 2), torch.tensor([2, 2])
    begin, end = torch.tensor([[5.0, 0.0], [0.0, 5.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert viterbi(emissions, lengths, Chain(torch.zeros(2, 2), begin, end)).path.tolist() == [[0, 1], [1, 0]]


def test_what_is_forbidden_is_not_taken():
    emissions = torch.tensor([[[0.0, 9.0], [9.0, 0.0]]])
    chain = Chain(torch.tensor([[0.0, 0.0], [NEVER, 0.0]]), torch.zeros(2), torch.zeros(2))
    assert viterbi(emissions, torch.tensor([2]), chain).path.tolist() in ([[0, 0]], [[1, 1]])


def test_a_row_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    emissions, lengths = torch.randn(3, 6, 4), torch.tensor([6, 2, 4])
    chain = Chain(torch.randn(4, 4), torch.randn(4), torch.randn(4))
    together = viterbi(emissions, lengths, chain)
    for row, length in enumerate(lengths.tolist()):
        alone = viterbi(emissions[row : row + 1, :length], lengths[row : row + 1], chain)
        assert torch.equal(alone.path[0], together.path[row, :length])
        assert torch.equal(alone.margin[0], together.margin[row, :length])


def test_gradients_are_expected_counts():
    """The derivative of the log partition by an emission is the tag's probability."""
    torch.manual_seed(0)
    emissions = torch.randn(2, 3, 3, requires_grad=True)
    lengths, chain = torch.tensor([3, 2]), Chain(torch.randn(3, 3), torch.randn(3), torch.randn(3))
    log_partition(emissions, lengths, chain).sum().backward()
    expected = log_marginals(emissions.detach(), lengths, chain).exp()
    expected[1, 2] = 0
    torch.testing.assert_close(emissions.grad, expected)
