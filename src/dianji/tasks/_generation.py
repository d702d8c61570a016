"""Text token by token: greedy or by sampling, with a cache, without work for rows that have ended.

What a row gets does not depend on its batch: there is no padding to the left, rows end one by one, and random numbers
belong to the row. Only rounding differs between batches, which is why every choice comes with its margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from dianji.errors import CapabilityError
from dianji.evaluate.generated import SURE
from dianji.tasks._pairs import Marks
from dianji.tasks.base import Batch

#: Rows that have ended are taken out of the batch when so large a share of it has: taking out copies the cache.
ENDED = 1 / 8


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen. ``temperature`` 0: the likeliest one, or by beams; else drawn."""

    beams: int = 1
    length_penalty: float = 1.0
    no_repeat: int = 0
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0


class Written(NamedTuple):
    """What was generated."""

    tokens: Tensor  # (rows, limit) int64; -1 from the end on
    #: (rows, limit) fp32: the smallest difference of scores among all choices up to this token.
    margin: Tensor


class Decoder:
    """An encoder-decoder model that reads sources once, then writes hypotheses side by side, a token at each step."""

    def __init__(self, model: nn.Module, batch: Batch, marks: Marks) -> None:
        self._model = model
        self._marks = marks
        self._mask = batch["attention_mask"]
        encoder = _encoder_of(model)
        self._states = encoder(input_ids=batch["input_ids"], attention_mask=self._mask)[0]
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def __len__(self) -> int:
        return len(self._mask)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        device: torch.device = self._mask.device
        return device

    def first(self) -> Tensor:
        """(rows,) the token before the first one."""
        return torch.full((len(self),), self._marks.start, device=self.device)

    def step(self, tokens: Tensor) -> Tensor:
        """(hypotheses,) the last token of each -> (hypotheses, vocabulary) fp32 logits of the next one."""
        found = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._states),
            attention_mask=self._mask,
            decoder_input_ids=tokens[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        logits: Tensor = found.logits
        return logits[:, -1].float()

    def select(self, hypotheses: Tensor) -> None:
        """Go on with these hypotheses, by number; one may be taken several times."""
        self._states = self._states.index_select(0, hypotheses)
        self._mask = self._mask.index_select(0, hypotheses)
        self._cache.reorder_cache(cast(torch.LongTensor, hypotheses))

    def reorder(self, hypotheses: Tensor) -> None:
        """As ``select``, where each hypothesis is replaced by one of the same source: only its own past moves."""
        self._cache.self_attention_cache.reorder_cache(cast(torch.LongTensor, hypotheses))


def restrict(logits: Tensor, written: Tensor, marks: Marks, *, limit: int, no_repeat: int) -> Tensor:
    """``logits`` or log-probabilities with -inf for what must not come next; changed in place.

    Args:
        logits: (hypotheses, vocabulary).
        written: (hypotheses, tokens so far), without the start.
        marks: which tokens are banned or forced.
        limit: tokens that may be written in all.
        no_repeat: n-grams of this order occur once; 0: as often as they like.
    """
    place = written.shape[1]
    if no_repeat and place >= no_repeat - 1:
        # As in transformers, the start is part of the text whose n-grams do not come again.
        start = torch.full((len(written), 1), marks.start, device=written.device)
        for row, tokens in enumerate(torch.cat([start, written], dim=1).tolist()):
            logits[row, _continuations(tokens, no_repeat)] = -torch.inf
    if marks.banned:
        logits[:, list(marks.banned)] = -torch.inf
    forced = marks.first if place == 0 else marks.last if place == limit - 1 else None
    if forced is not None:
        logits.fill_(-torch.inf)
        logits[:, forced] = 0.0
    return logits


def _continuations(tokens: Sequence[int], order: int) -> list[int]:
    """Tokens that would complete an n-gram which is there already."""
    last = tuple(tokens[len(tokens) - order + 1 :])
    return [
        tokens[start + order - 1]
        for start in range(len(tokens) - order + 1)
        if tuple(tokens[start : start + order - 1]) == last
    ]


def generate_singly(
    decoder: Decoder, marks: Marks, limit: int, how: Decoding, uniform: Tensor | None = None
) -> Written:
    """One hypothesis a row: the likeliest token each time, or one that is drawn.

    Args:
        decoder: has read the sources.
        marks: begin and end of a target.
        limit: the most tokens, the end included.
        how: greedy where ``how.temperature`` is 0.
        uniform: (rows, limit) in [0, 1), for sampling.
    """
    rows = len(decoder)
    tokens = torch.full((rows, limit), -1, device=decoder.device)
    margin = torch.full((rows, limit), SURE, device=decoder.device)
    here = torch.arange(rows, device=decoder.device)  # which row each hypothesis is of
    running = torch.ones(rows, dtype=torch.bool, device=decoder.device)  # of the hypotheses
    last, least = decoder.first(), torch.full((rows,), SURE, device=decoder.device)
    for place in range(limit):
        logits = decoder.step(last)
        written = tokens[here, :place].clamp(min=0)
        logits = restrict(logits, written, marks, limit=limit, no_repeat=how.no_repeat)
        if uniform is None:
            last, gap = likeliest(logits)
        else:
            last, gap = drawn(logits, uniform[here, place], how)
        least = torch.where(running, torch.minimum(least, gap), least)
        margin[here, place:] = least[:, None]
        running = running & (last != marks.end)
        tokens[here[running], place] = last[running]
        going = int(running.sum())
        if not going:
            break
        if len(here) - going >= ENDED * len(here):
            kept = running.nonzero()[:, 0]
            decoder.select(kept)
            here, running, last, least = here[kept], running[kept], last[kept], least[kept]
    return Written(tokens, margin)


def likeliest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(rows,) the likeliest tokens, and how far each is ahead of the second."""
    best = logits.topk(2, dim=-1)
    return best.indices[:, 0], (best.values[:, 0] - best.values[:, 1]).nan_to_num(posinf=SURE).clamp(max=SURE)


def drawn(logits: Tensor, uniform: Tensor, how: Decoding) -> tuple[Tensor, Tensor]:
    """Tokens by the inverse of their distribution function, the likeliest first; and the distance to the next step.

    Also near-ties are those where it nearly depends on rounding which tokens ``top_k`` and ``top_p`` leave.
    """
    ordered, index = (logits.double() / how.temperature).sort(dim=-1, descending=True, stable=True)
    margin = torch.full_like(uniform, SURE, dtype=torch.float64)
    if 0 < how.top_k < ordered.shape[1]:
        margin = torch.minimum(margin, ordered[:, how.top_k - 1] - ordered[:, how.top_k])
        ordered = ordered[:, : how.top_k]
    share = ordered.softmax(dim=-1).cumsum(dim=-1)
    kept = torch.searchsorted(share, torch.full_like(share[:, :1], how.top_p)).clamp(max=share.shape[1] - 1)
    if how.top_p < 1:
        margin = torch.minimum(margin, (share - how.top_p).abs().amin(dim=-1))
    wanted = uniform[:, None].double() * share.gather(1, kept)
    place = torch.minimum(torch.searchsorted(share, wanted, right=True), kept)
    margin = torch.minimum(margin, (share - wanted).abs().amin(dim=-1))
    return index.gather(1, place)[:, 0], margin.nan_to_num(posinf=SURE).float()


def _encoder_of(model: nn.Module) -> nn.Module:
    """The encoder of the transformers model inside whatever wraps it.

    Raises:
        CapabilityError: there is none.
    """
    for module in model.modules():
        if isinstance(module, PreTrainedModel) and module.config.is_encoder_decoder:
            encoder: Any = module.get_encoder()
            return encoder  # type: ignore[no-any-return]  # transformers leaves it untyped
    raise CapabilityError(f"{type(model).__name__} is no encoder-decoder model. Choose another base.")
