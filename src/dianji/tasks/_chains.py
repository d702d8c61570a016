"""Linear chains over tags: forward algorithm, marginals and the best path (Lafferty et al., 2001; Viterbi, 1967).

The score of a path is ``begin[first] + end[last]`` plus the emissions of its places plus the transitions between them.
Emissions are (rows, time, tags), of which the first ``lengths[row]`` places count; a row without any has score 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

#: The score of what is impossible: exact in fp32 beside scores of ordinary size, and no source of NaN.
NEVER = -1e4


#: Reduces one dimension of scores: a logarithm of summed exponentials, or a maximum.
_Reduce = Callable[[Tensor, int], Tensor]


class Chain(NamedTuple):
    """``transitions[i, j]``: from tag i to tag j. ``begin`` and ``end`` are (tags,), or (rows, tags)."""

    transitions: Tensor
    begin: Tensor
    end: Tensor


class Best(NamedTuple):
    """The best path of each row.

    ``path`` (rows, time) int64, 0 beyond a row's length. ``margin`` (rows, time): the best score minus that of the best
    path with another tag at this place; infinite beyond a row's length.
    """

    path: Tensor
    margin: Tensor


def log_partition(emissions: Tensor, lengths: Tensor, chain: Chain) -> Tensor:
    """(rows,): the logarithm of the summed exponentials of all paths' scores."""
    state = _start(emissions, chain)
    for place in range(1, emissions.shape[1]):
        after = torch.logsumexp(state.unsqueeze(2) + chain.transitions, dim=1) + emissions[:, place]
        state = torch.where((place < lengths).unsqueeze(1), after, state)
    return _empty_is_zero(torch.logsumexp(state + chain.end, dim=1), lengths)


def path_score(emissions: Tensor, lengths: Tensor, chain: Chain, path: Tensor) -> Tensor:
    """(rows,): the score of one path per row; what ``path`` (rows, time) says beyond the length does not matter."""
    if not emissions.shape[1]:
        return emissions.new_zeros(len(emissions))
    real = torch.arange(emissions.shape[1], device=emissions.device) < lengths.unsqueeze(1)
    path = torch.where(real, path, 0)
    emitted = (emissions.gather(2, path.unsqueeze(2)).squeeze(2) * real).sum(dim=1)
    moved = (chain.transitions[path[:, :-1], path[:, 1:]] * real[:, 1:]).sum(dim=1)
    rows = torch.arange(len(path), device=path.device)
    last = path[rows, (lengths - 1).clamp(min=0)]
    begin, end = (part.expand(len(path), -1) for part in (chain.begin, chain.end))
    return _empty_is_zero(emitted + moved + begin[rows, path[:, 0]] + end[rows, last], lengths)


def log_marginals(emissions: Tensor, lengths: Tensor, chain: Chain) -> Tensor:
    """(rows, time, tags): the logarithm of each tag's probability at each place; beyond a row's length undefined."""
    forward, backward = _passes(emissions, lengths, chain, _log_sum)
    return (forward + backward).log_softmax(dim=2)


def viterbi(emissions: Tensor, lengths: Tensor, chain: Chain) -> Best:
    """The best path of each row. Of equally good ones, that with the smallest tag numbers from its end backwards."""
    if not emissions.shape[1]:
        nothing = emissions.new_zeros(emissions.shape[:2])
        return Best(nothing.long(), nothing)
    forward, backward = _passes(emissions, lengths, chain, _maximum)
    reached = forward + backward  # (rows, time, tags): score of the best path through each tag
    path = _traced(forward, lengths, chain)
    best = reached.gather(2, path.unsqueeze(2)).squeeze(2)
    others = reached.scatter(2, path.unsqueeze(2), -torch.inf).amax(dim=2)
    real = torch.arange(emissions.shape[1], device=emissions.device) < lengths.unsqueeze(1)
    return Best(torch.where(real, path, 0), torch.where(real, best - others, torch.inf))


def _traced(forward: Tensor, lengths: Tensor, chain: Chain) -> Tensor:
    """The path behind the scores of ``_passes`` with the maximum, from the last place backwards."""
    rows, time, _ = forward.shape
    path = torch.zeros(rows, time, dtype=torch.int64, device=forward.device)
    following = torch.zeros(rows, dtype=torch.int64, device=forward.device)
    for place in range(time - 1, -1, -1):
        last = (lengths - 1 == place).unsqueeze(1)
        onwards = torch.where(last, chain.end.expand(rows, -1), chain.transitions[:, following].T)
        following = torch.where(place < lengths, (forward[:, place] + onwards).argmax(dim=1), 0)
        path[:, place] = following
    return path


def _passes(emissions: Tensor, lengths: Tensor, chain: Chain, reduce: _Reduce) -> tuple[Tensor, Tensor]:
    """Scores of what leads to each (row, place, tag), its emission included, and of what follows it."""
    time = emissions.shape[1]
    if not time:
        return emissions, emissions
    end = chain.end.expand(len(emissions), -1)
    forward = [_start(emissions, chain)]
    for place in range(1, time):
        forward.append(reduce(forward[-1].unsqueeze(2) + chain.transitions, 1) + emissions[:, place])
    backward = [end]
    for place in range(time - 2, -1, -1):
        onwards = reduce((emissions[:, place + 1] + backward[-1]).unsqueeze(1) + chain.transitions, 2)
        backward.append(torch.where((lengths > place + 1).unsqueeze(1), onwards, end))
    return torch.stack(forward, dim=1), torch.stack(backward[::-1], dim=1)


def _start(emissions: Tensor, chain: Chain) -> Tensor:
    if not emissions.shape[1]:
        return chain.begin.expand(len(emissions), -1)
    return emissions[:, 0] + chain.begin


def _empty_is_zero(scores: Tensor, lengths: Tensor) -> Tensor:
    return torch.where(lengths > 0, scores, torch.zeros_like(scores))


def _log_sum(scores: Tensor, dim: int) -> Tensor:
    return scores.logsumexp(dim=dim)


def _maximum(scores: Tensor, dim: int) -> Tensor:
    return scores.amax(dim=dim)
