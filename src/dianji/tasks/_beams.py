"""Beam search: the best of several hypotheses for each row, to the tokens that ``generate`` of transformers finds.

Differences are in the work, not in the result: a row that cannot get better is taken out of the batch, keys and values
of the source are not copied when beams change places, and the first step is taken once instead of once for each beam.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dianji.evaluate.generated import SURE
from dianji.tasks._generation import ENDED, Decoder, Decoding, Written, restrict
from dianji.tasks._pairs import Marks

#: Stands for minus infinity in sums, as in transformers.
NEVER = -1.0e9


@dataclass
class _State:
    """Of the rows that go on. Scores are sums of log-probabilities; those of finished hypotheses are divided."""

    row: Tensor  # (rows,) which row of the batch
    running: Tensor  # (rows, beams, tokens so far)
    scores: Tensor  # (rows, beams)
    texts: Tensor  # (rows, beams, limit) finished hypotheses, -1 after their end
    values: Tensor  # (rows, beams) theirs, best first
    complete: Tensor  # (rows, beams) bool: whether there is such a hypothesis
    margin: Tensor  # (rows,)

    def take(self, rows: Tensor) -> _State:
        return _State(**{name: value[rows] for name, value in vars(self).items()})


def generate_by_beams(decoder: Decoder, marks: Marks, limit: int, how: Decoding) -> Written:
    """The best of ``how.beams`` hypotheses for each row.

    Args:
        decoder: has read the sources.
        marks: begin and end of a target.
        limit: the most tokens, the end included.
        how: number of beams, length penalty, n-grams.
    """
    rows, beams, device = len(decoder), how.beams, decoder.device
    tokens = torch.full((rows, limit), -1, device=device)
    margin = torch.full((rows,), SURE, device=device)
    state = _begin(rows, beams, limit, device)
    active = torch.ones(rows, dtype=torch.bool, device=device)  # of the rows of ``state``
    last = decoder.first()
    for place in range(limit):
        logits = decoder.step(last)
        if place == 0:
            logits = logits.repeat_interleave(beams, dim=0)
            decoder.select(torch.arange(rows, device=device).repeat_interleave(beams))
        origin = _advance(state, logits, marks, place, limit, how, active)
        active = active & _can_improve(state, place + 1, how)
        going = int(active.sum())
        if not going or place == limit - 1:
            break
        if len(active) - going >= ENDED * len(active):
            kept = active.nonzero()[:, 0]
            _finish(state.take(~active), tokens, margin)
            decoder.select(_flat(origin, beams)[kept.repeat_interleave(beams) * beams + _inside(kept, beams)])
            state, active = state.take(kept), active[kept]
        else:
            decoder.reorder(_flat(origin, beams))
        last = state.running[:, :, -1].reshape(-1)
    _finish(state, tokens, margin)
    return Written(tokens, margin[:, None].expand(rows, limit).contiguous())


def _begin(rows: int, beams: int, limit: int, device: torch.device) -> _State:
    scores = torch.full((rows, beams), NEVER, device=device)
    scores[:, 0] = 0.0  # all beams are alike at first: only one counts
    return _State(
        row=torch.arange(rows, device=device),
        running=torch.empty((rows, beams, 0), dtype=torch.int64, device=device),
        scores=scores,
        texts=torch.full((rows, beams, limit), -1, device=device),
        values=torch.full((rows, beams), NEVER, device=device),
        complete=torch.zeros((rows, beams), dtype=torch.bool, device=device),
        margin=torch.full((rows,), SURE, device=device),
    )


def _advance(
    state: _State, logits: Tensor, marks: Marks, place: int, limit: int, how: Decoding, active: Tensor
) -> Tensor:
    """One token more. Returns (rows, beams): which beam each one goes on from."""
    rows, beams = state.scores.shape
    scores = torch.log_softmax(logits, dim=-1)
    written = state.running.reshape(rows * beams, place)
    scores = restrict(scores, written, marks, limit=limit, no_repeat=how.no_repeat)
    sums = scores.view(rows, beams, -1) + state.scores[:, :, None]
    vocabulary = sums.shape[-1]
    # Twice as many as there are beams: even if each beam's best continuation is its end, enough go on.
    best = sums.view(rows, -1).topk(2 * beams + 1, dim=-1)
    edge = _gap(best.values, beams)
    values, index = best.values[:, : 2 * beams], best.indices[:, : 2 * beams]
    beam, token = index // vocabulary, index % vocabulary
    before = state.running.gather(1, beam[:, :, None].expand(-1, -1, place))
    candidates = torch.cat([before, token[:, :, None]], dim=2)
    ended = (token == marks.end) | (place == limit - 1)
    _collect(state, candidates, values, ended, token == marks.end, place, how, active)
    open_values = values + ended.float() * NEVER
    order = open_values.topk(beams + 1, dim=-1)
    chosen = order.indices[:, :beams]
    closest = torch.minimum(edge, _gap(order.values, beams))
    state.margin = torch.where(active, torch.minimum(state.margin, closest), state.margin)
    state.running = candidates.gather(1, chosen[:, :, None].expand(-1, -1, place + 1))
    state.scores = order.values[:, :beams]
    return beam.gather(1, chosen)


def _collect(
    state: _State,
    candidates: Tensor,
    values: Tensor,
    ended: Tensor,
    closed: Tensor,
    place: int,
    how: Decoding,
    active: Tensor,
) -> None:
    """Finished hypotheses among the best candidates join those of before; the best ones stay."""
    rows, beams, limit = state.texts.shape
    first = torch.arange(2 * beams, device=values.device) < beams
    fresh = ended & first
    divided = values / ((place + 1) ** how.length_penalty) + (~(fresh & active[:, None])).float() * NEVER
    texts = torch.full((rows, 2 * beams, limit), -1, device=values.device)
    texts[:, :, : place + 1] = candidates
    texts[:, :, place] = torch.where(closed, -1, candidates[:, :, -1])
    merged = torch.cat([state.values, divided], dim=1)
    order = merged.topk(beams + 1, dim=1)
    kept = order.indices[:, :beams]
    state.margin = torch.where(active, torch.minimum(state.margin, _gap(order.values, beams)), state.margin)
    state.texts = torch.cat([state.texts, texts], dim=1).gather(1, kept[:, :, None].expand(-1, -1, limit))
    state.values = order.values[:, :beams]
    state.complete = torch.cat([state.complete, fresh], dim=1).gather(1, kept)


def _can_improve(state: _State, length: int, how: Decoding) -> Tensor:
    """(rows,) bool: whether a beam may still beat the worst finished hypothesis, by the rule of transformers."""
    hope = state.scores[:, 0] / (length**how.length_penalty)
    worst = torch.where(state.complete, state.values.min(dim=1, keepdim=True).values, NEVER)
    full = state.complete.all(dim=1)
    gap = (hope - worst.amin(dim=1)).abs()
    state.margin = torch.where(full, torch.minimum(state.margin, gap), state.margin)
    better: Tensor = (hope[:, None] > worst).any(dim=1)
    return better


def _finish(state: _State, tokens: Tensor, margin: Tensor) -> None:
    """Write the best hypothesis of each row to its place."""
    tokens[state.row] = state.texts[:, 0]
    best = state.values[:, 0] - state.values[:, 1] if state.values.shape[1] > 1 else torch.full_like(state.margin, SURE)
    margin[state.row] = torch.minimum(state.margin, best).clamp(max=SURE)


def _gap(ordered: Tensor, beams: int) -> Tensor:
    """(rows,) how far the worst score that is kept is above the best one that is not; SURE where there is neither."""
    kept, dropped = ordered[:, beams - 1], ordered[:, beams]
    return torch.where(kept > NEVER / 2, kept - dropped, SURE).nan_to_num(posinf=SURE)


def _flat(origin: Tensor, beams: int) -> Tensor:
    """(rows, beams) beams within their rows -> (rows * beams,) hypotheses."""
    return (origin + torch.arange(len(origin), device=origin.device)[:, None] * beams).reshape(-1)


def _inside(kept: Tensor, beams: int) -> Tensor:
    return torch.arange(beams, device=kept.device).repeat(len(kept))
