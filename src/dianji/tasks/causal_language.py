"""Causal language modelling: predict each token from those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from torch import Tensor
from transformers import AutoModelForCausalLM

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.errors import CapabilityError
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.ragged import take
from dianji.registry import component
from dianji.tasks import _heads, _language, _tokens
from dianji.tasks._positions import logits_at
from dianji.tasks._rows import refuse_empty, texts
from dianji.tasks.base import MARGIN, Batch, Loss, Outputs, Purpose, Task, TaskModel

_PROMPT, _END = "prompt", "end"


@dataclass(frozen=True)
class CausalPrediction:
    """``perplexity`` of the text after its first token; ``continuation``: how the model goes on, where asked for."""

    perplexity: float | None
    continuation: str | None = None

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """``{"perplexity"}``, and ``continuation`` where asked for."""
        more = {} if self.continuation is None else {"continuation": self.continuation}
        return {"perplexity": self.perplexity, **more}


@component("task", "causal-language")
@dataclass(frozen=True)
class CausalLanguage(Task):
    """Every token but a window's first is predicted; predictions can go on with the text.

    Args:
        length: tokens in a window; by default 128, or what the base takes if that is less. A longer text becomes
            several windows that do not overlap.
        new_tokens: how many tokens a prediction adds to the text's last window, always the most likely one; 0: none.
    """

    length: Annotated[int, Field(gt=0)] | None = None
    new_tokens: Annotated[int, Field(ge=0)] = 0

    modality: ClassVar[str] = "text"
    hub_name: ClassVar[str] = "text-generation"
    not_inputs: ClassVar[frozenset[str]] = frozenset({_language.TARGET, _PROMPT, _END})
    random_batches: ClassVar[bool] = False
    columns: ClassVar[Mapping[str, Column]] = MappingProxyType({"text": Column("text")})
    metrics: ClassVar[tuple[str, ...]] = _language.METRICS

    def fit(self, table: pa.Table) -> Self:
        """Nothing is learnt."""
        refuse_empty(table)
        return self

    def model(self, base: Base) -> TaskModel:
        """See ``Task.model``. An encoder is made to look back only."""
        decoder = {"is_decoder": True} if hasattr(base.config, "is_decoder") else {}
        return _heads.with_head(base.load(AutoModelForCausalLM, **decoder, **_heads.no_labels()))

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """``input_ids``."""
        length = _tokens.limit(base, self.length, _language.LENGTH)
        return _tokens.windows(texts(table), base, length).table()

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """``input_ids``, ``attention_mask``, ``labels`` (batch, longest): at each position the token after it.

        Where text is to be added: ``prompt`` (batch,), how many tokens it goes on from, and ``end`` (batch,), the token
        that ends a text, -1 for none.
        """
        ids, real = _tokens.padded(examples["input_ids"], _tokens.pad_id(base))
        target = np.full_like(ids, _language.IGNORED)
        target[:, :-1][real[:, 1:]] = ids[:, 1:][real[:, 1:]]
        batch = {**_tokens.model_inputs(ids, real), _language.TARGET: torch.from_numpy(target)}
        if purpose != "predict" or not self.new_tokens:
            return batch
        self._require_room(base, ids.shape[1])
        end = _end(base)
        lengths = real.sum(axis=1)
        closed = (ids[np.arange(len(ids)), lengths - 1] == end) & (lengths > 1)
        batch[_PROMPT] = torch.from_numpy(lengths - closed)
        batch[_END] = torch.full((len(ids),), end)
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Cross-entropy of every token but the first."""
        return _language.loss(model, batch)

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """``nll``, ``tokens``, ``hits``; where text is added also ``continuation`` (examples, 1 + new tokens).

        The continuation is the prompt's last token and the new ones, -1 after the end.
        """
        wanted = batch[_language.TARGET] != _language.IGNORED
        logits = logits_at(model, _language.inputs_of(batch), wanted)
        target, example = batch[_language.TARGET][wanted], wanted.nonzero()[:, 0]
        scores = _language.scores(logits, target, example, len(wanted))
        if _PROMPT not in batch:
            return scores
        added, margin = _continue(model, batch, self.new_tokens)
        return {**scores, "continuation": added.cpu().numpy(), f"continuation{MARGIN}": margin.cpu().numpy()}

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """Sums over windows; the continuation of a row's last window."""
        rows = _language.sum_windows(outputs, examples)
        if "continuation" in outputs:
            place = _language.window_rows(examples)
            last = len(place) - 1 - np.unique(place[::-1], return_index=True)[1]
            rows |= {name: take(outputs[name], last) for name in ("continuation", f"continuation{MARGIN}")}
        return rows

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[CausalPrediction]:
        """Perplexity, and the text that was added."""
        perplexities = _language.perplexities(outputs)
        if "continuation" not in outputs:
            return [CausalPrediction(perplexity) for perplexity in perplexities]
        words = [_added_text(tokens, base) for tokens in outputs["continuation"].tolist()]
        return [CausalPrediction(*pair) for pair in zip(perplexities, words, strict=True)]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """``Modelled``."""
        return _language.outcome(outputs)

    def _require_room(self, base: Base, length: int) -> None:
        most = _tokens.longest(base)
        if length + self.new_tokens > most:
            raise CapabilityError(
                f"base '{base.card.name}' takes {most} tokens: there is no room for {self.new_tokens} new ones after "
                f"windows of {length}. Set the task's length to at most {most - self.new_tokens}, or fewer new_tokens."
            )


def _end(base: Base) -> int:
    """The token that ends a text: where the tokenizer adds it, predictions go on from the place before it."""
    for token in (base.processor.eos_token_id, base.processor.sep_token_id):
        if token is not None:
            return int(token)
    return -1


def _added_text(tokens: list[int], base: Base) -> str:
    """What the tokens after the first add to the text: they may begin in the middle of a word."""

    def decode(some: list[int]) -> str:
        return str(base.processor.decode([token for token in some if token >= 0], skip_special_tokens=True))

    before, whole = decode(tokens[:1]), decode(tokens)
    # Where the first token is a part of a character only, the two have no common beginning.
    return whole.removeprefix(before) if whole.startswith(before) else decode(tokens[1:])


def _continue(model: torch.nn.Module, batch: Batch, count: int) -> tuple[Tensor, Tensor]:
    """(batch, 1 + count): the last token of each row's prompt and the most likely ones after it, -1 after its end.

    Also (batch, 1 + count) margins: the smallest distance in logits to the second best token so far.

    The whole text is read again for each token: no cache, which not every architecture has, and nothing to the left of
    the prompt, so that a row's continuation does not depend on its neighbours.
    """
    length, end = batch[_PROMPT].clone(), batch[_END]
    ids = torch.nn.functional.pad(batch["input_ids"], (0, count))
    added = torch.full((len(ids), 1 + count), -1, device=ids.device)
    added[:, 0] = ids.gather(1, length[:, None] - 1)[:, 0]
    margin = torch.full(added.shape, torch.inf, device=ids.device)
    running = torch.ones_like(length, dtype=torch.bool)
    place = torch.arange(ids.shape[1], device=ids.device)
    for step in range(1, count + 1):
        inputs = {"input_ids": ids, "attention_mask": (place < length[:, None]).long()}
        logits = logits_at(model, inputs, place == length[:, None] - 1)
        best, first = logits.argmax(dim=-1), logits.topk(2, dim=-1).values
        margin[:, step] = torch.minimum(margin[:, step - 1], first[:, 0] - first[:, 1])
        running &= best != end
        if not running.any():
            margin[:, step:] = margin[:, step : step + 1]
            break
        added[running, step] = best[running]
        ids[running, length[running]] = best[running]
        length += running
    return added, margin.nan_to_num(posinf=_language.SURE)
