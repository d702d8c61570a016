"""Answers of a decoder token by token: each row stops by itself, at an end token or where a stop string is complete.

What a row gets does not depend on its batch: there is no padding to the left, and random numbers belong to the row.
Keys and values of earlier tokens are kept where the architecture can keep them; elsewhere the text is read again.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from dianji.evaluate.generated import SURE
from dianji.tasks._generation import Decoding, drawn, likeliest
from dianji.tasks._positions import logits_at

#: What a tokenizer writes for bytes that are no whole character yet.
_BROKEN = "\ufffd"


@dataclass(frozen=True)
class Endings:
    """What ends an answer: tokens, and strings that are not part of it."""

    processor: Any
    tokens: tuple[int, ...]
    strings: tuple[str, ...] = ()

    def text(self, tokens: Sequence[int]) -> str:
        """The answer so far, without what follows a stop string."""
        found = str(self.processor.decode(list(tokens), skip_special_tokens=True))
        places = [place for string in self.strings if (place := found.find(string)) >= 0]
        return found[: min(places)] if places else found

    def stopped(self, tokens: Sequence[int]) -> bool:
        """Whether a stop string is complete."""
        if not self.strings:
            return False
        found = str(self.processor.decode(list(tokens), skip_special_tokens=True))
        return any(string in found for string in self.strings)

    def settled(self, text: str) -> str:
        """The part of an unfinished answer that later tokens do not change: no half character, no begun stop string."""
        text = text.rstrip(_BROKEN)
        held = [
            size
            for string in self.strings
            for size in range(1, min(len(string), len(text) + 1))
            if text.endswith(string[:size])
        ]
        return text[: len(text) - max(held, default=0)]


class Step(NamedTuple):
    """One token more of each row."""

    tokens: Tensor  # (rows,) int64; -1 where the row has ended
    margin: Tensor  # (rows,) fp32: the smallest difference of scores among all choices so far


def steps(
    model: nn.Module,
    prompts: Tensor,
    lengths: Tensor,
    endings: Endings,
    limit: int,
    how: Decoding,
    uniform: Tensor | None,
) -> Iterator[Step]:
    """At most ``limit`` tokens after each prompt; ends early when every row has ended.

    Args:
        model: a causal language model.
        prompts: (rows, time), padded on the right.
        lengths: (rows,) tokens of each prompt.
        endings: end tokens, which are not given out, and stop strings.
        limit: the most tokens.
        how: greedy where its temperature is 0.
        uniform: (rows, limit) in [0, 1), for sampling.
    """
    reader = _reader(model, prompts, lengths)
    running = torch.ones(len(prompts), dtype=torch.bool, device=prompts.device)
    least = torch.full((len(prompts),), SURE, device=prompts.device)
    ends = torch.tensor(endings.tokens, device=prompts.device)
    written: list[list[int]] = [[] for _ in range(len(prompts))]
    for place in range(limit):
        logits = reader.logits()
        found, gap = likeliest(logits) if uniform is None else drawn(logits, uniform[:, place], how)
        least = torch.where(running, torch.minimum(least, gap), least)
        running = running & ~torch.isin(found, ends)
        yield Step(torch.where(running, found, -1), least)
        if endings.strings:
            for row in running.nonzero()[:, 0].tolist():
                written[row].append(int(found[row]))
            running = running & ~torch.tensor([*map(endings.stopped, written)], device=running.device)
        if not running.any():
            return
        if place < limit - 1:
            reader.read(found, running)


def write(
    model: nn.Module,
    prompts: Tensor,
    lengths: Tensor,
    endings: Endings,
    limit: int,
    how: Decoding,
    uniform: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """(rows, limit) tokens, -1 from the end on; and (rows, limit) margins. See ``steps``."""
    tokens = torch.full((len(prompts), limit), -1, device=prompts.device)
    margin = torch.full((len(prompts), limit), SURE, device=prompts.device)
    for place, step in enumerate(steps(model, prompts, lengths, endings, limit, how, uniform)):
        tokens[:, place] = step.tokens
        margin[:, place:] = step.margin[:, None]
    return tokens, margin


class _Rereader:
    """Reads the whole text again for each token."""

    def __init__(self, model: nn.Module, prompts: Tensor, lengths: Tensor) -> None:
        self._model, self._ids, self._lengths = model, prompts, lengths.clone()

    def logits(self) -> Tensor:
        place = torch.arange(self._ids.shape[1], device=self._ids.device)
        mask = (place < self._lengths[:, None]).long()
        return logits_at(
            self._model, {"input_ids": self._ids, "attention_mask": mask}, place == self._lengths[:, None] - 1
        )

    def read(self, tokens: Tensor, running: Tensor) -> None:
        if int(self._lengths.max()) == self._ids.shape[1]:
            self._ids = nn.functional.pad(self._ids, (0, 1))
        self._ids[running, self._lengths[running]] = tokens[running]
        self._lengths += running


class _CachedReader:
    """Keeps keys and values: each token is read once. Places of padding between prompt and answer are masked out."""

    def __init__(self, model: nn.Module, prompts: Tensor, lengths: Tensor) -> None:
        self._model, self._lengths = model, lengths.clone()
        self._cache = DynamicCache()
        place = torch.arange(prompts.shape[1], device=prompts.device)
        self._mask = (place < lengths[:, None]).long()
        inputs = {
            "input_ids": prompts,
            "attention_mask": self._mask,
            "position_ids": place.expand_as(prompts),
            "past_key_values": self._cache,
            "use_cache": True,
        }
        self._logits = logits_at(model, inputs, place == lengths[:, None] - 1)

    def logits(self) -> Tensor:
        return self._logits

    def read(self, tokens: Tensor, running: Tensor) -> None:
        self._mask = torch.cat([self._mask, running.long()[:, None]], dim=1)
        found = self._model(
            input_ids=tokens[:, None],
            attention_mask=self._mask,
            position_ids=self._lengths[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        self._lengths += running
        self._logits = found.logits[:, -1].float()


def _reader(model: nn.Module, prompts: Tensor, lengths: Tensor) -> _Rereader | _CachedReader:
    return (_CachedReader if _keeps_the_past(model) else _Rereader)(model, prompts, lengths)


def _keeps_the_past(model: nn.Module) -> bool:
    """Whether the architecture takes a cache of keys and values with positions that are told, counted from 0."""
    inner = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
    if inner is None or not getattr(inner.config, "use_cache", False) or not getattr(inner, "_supports_sdpa", False):
        return False
    taken = inspect.signature(inner.forward).parameters
    shifted = getattr(
        inner.base_model, "embeddings", None
    )  # such as RoBERTa's, whose positions begin after the padding
    return {"past_key_values", "position_ids"} <= set(taken) and getattr(shifted, "padding_idx", None) is None
