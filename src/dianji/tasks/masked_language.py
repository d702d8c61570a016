"""Masked language modelling: hide some tokens, predict them from both sides (Devlin et al., 2019, arXiv:1810.04805)."""

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
from transformers import AutoModelForMaskedLM

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.errors import CapabilityError
from dianji.evaluate.outcome import Outcome
from dianji.registry import component
from dianji.tasks import _heads, _language, _masking, _tokens
from dianji.tasks._positions import logits_at
from dianji.tasks._rows import refuse_empty, texts
from dianji.tasks.base import Batch, Loss, Outputs, Purpose, Task, TaskModel

_FILLED, _BEST = 4, 5  # mask tokens of a text that predictions fill in; guesses for each
_FILL = "fill"


@dataclass(frozen=True)
class MaskedPrediction:
    """``perplexity`` of the tokens that were masked; ``fills``: for each mask token in the text, the best guesses."""

    perplexity: float | None
    fills: tuple[Mapping[str, float], ...] = ()

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """``{"perplexity"}``, or ``{"fills"}`` where the text has mask tokens: the best guess each, or all of them."""
        if not self.fills:
            return {"perplexity": self.perplexity}
        guesses = [[{"token": token, "probability": p} for token, p in fill.items()] for fill in self.fills]
        return {"fills": guesses if everything else [best[0] for best in guesses]}


@component("task", "masked-language")
@dataclass(frozen=True)
class MaskedLanguage(Task):
    """80 % of the chosen tokens are masked, 10 % replaced, 10 % kept; drawn anew for every batch in training.

    Evaluation masks follow from each text's own tokens: the same text gets the same masks everywhere. A text that has
    mask tokens of its own is not masked further; predictions fill them in.

    Args:
        probability: that a token is chosen; at least one of each window is.
        whole_word: choose all tokens of a word together. Han characters, between which words are not marked, are cut at
            random into spans of 1 to 4 (40, 30, 20 and 10 %), as in MacBERT.
        length: tokens in a window; by default 128, or what the base takes if that is less. A longer text becomes
            several windows that do not overlap.
    """

    probability: Annotated[float, Field(gt=0, lt=1)] = 0.15
    whole_word: bool = False
    length: Annotated[int, Field(gt=0)] | None = None

    modality: ClassVar[str] = "text"
    hub_name: ClassVar[str] = "fill-mask"
    special_tokens: ClassVar[tuple[str, ...]] = ("mask_token",)
    not_inputs: ClassVar[frozenset[str]] = frozenset({_language.TARGET, _FILL})
    columns: ClassVar[Mapping[str, Column]] = MappingProxyType({"text": Column("text")})
    metrics: ClassVar[tuple[str, ...]] = _language.METRICS

    def fit(self, table: pa.Table) -> Self:
        """Nothing is learnt."""
        refuse_empty(table)
        return self

    def model(self, base: Base) -> TaskModel:
        """See ``Task.model``."""
        _mask(base)
        return _heads.with_head(base.load(AutoModelForMaskedLM, **_heads.no_labels()))

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """``input_ids``; with ``whole_word`` also ``words``, as ``_masking`` marks them."""
        length = _tokens.limit(base, self.length, _language.LENGTH)
        keep = [token for role in self.special_tokens if (token := getattr(base.processor, role))]
        found = _tokens.windows(texts(table), base, length, words=self.whole_word, keep=keep)
        if found.words is None:
            return found.table()
        tokens, words = (array.flatten().to_numpy() for array in (found.tokens, found.words))
        marked = pa.array(_masking.mark_han(tokens, words, base.processor), pa.int32())
        return found.table(words=pa.LargeListArray.from_arrays(found.words.offsets, marked))

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """Corrupted ``input_ids``, ``attention_mask``, ``labels`` (batch, longest); when not training also ``fill``."""
        ids, real = _tokens.padded(examples["input_ids"], _tokens.pad_id(base))
        draw = _masking.draws(ids, real, rng, training=purpose == "train")
        given = real & (ids == _mask(base))
        maskable = real & ~np.isin(ids, base.processor.all_special_ids) & ~given.any(axis=1, keepdims=True)
        starts = np.ones_like(real)
        if self.whole_word:
            starts = _masking.word_starts(_tokens.padded(examples["words"], _masking.SPECIAL)[0], draw[2])
        chosen = _masking.choose(maskable, starts, draw[0], self.probability)
        ordinary = _masking.ordinary_tokens(base.processor, base.config.vocab_size)
        batch = _tokens.model_inputs(_masking.corrupt(ids, chosen, draw[1], _mask(base), ordinary), real)
        batch[_language.TARGET] = torch.from_numpy(np.where(chosen, ids, _language.IGNORED))
        return batch if purpose == "train" else {**batch, _FILL: torch.from_numpy(given)}

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Cross-entropy of the chosen tokens."""
        return _language.loss(model, batch)

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """``nll``, ``tokens``, ``hits``; ``fill_tokens`` (-1: none), ``fill_probabilities`` (examples, 4, 5)."""
        target = batch[_language.TARGET]
        wanted = (target != _language.IGNORED) | batch[_FILL]
        logits = logits_at(model, _language.inputs_of(batch), wanted)
        example, target = wanted.nonzero()[:, 0], target[wanted]
        masked, count = target != _language.IGNORED, len(wanted)
        return {
            **_language.scores(logits[masked], target[masked], example[masked], count),
            **_fills(logits[~masked], example[~masked].cpu().numpy(), count),
        }

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """Sums over windows; the fills of a row's windows one after the other."""
        place = _language.window_rows(examples)
        window, slot = (outputs["fill_tokens"][:, :, 0] >= 0).nonzero()
        tokens, probabilities = (outputs[name][window, slot] for name in ("fill_tokens", "fill_probabilities"))
        rows = int(place.max(initial=-1)) + 1
        return {**_language.sum_windows(outputs, examples), **_placed(tokens, probabilities, place[window], rows)}

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[MaskedPrediction]:
        """Perplexity under the masks, or what stands behind the text's own mask tokens."""
        fills = zip(outputs["fill_tokens"].tolist(), outputs["fill_probabilities"].tolist(), strict=True)
        return [
            MaskedPrediction(
                perplexity, tuple(_guesses(*pair, base) for pair in zip(*fill, strict=True) if pair[0][0] >= 0)
            )
            for perplexity, fill in zip(_language.perplexities(outputs), fills, strict=True)
        ]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """``Modelled``."""
        return _language.outcome(outputs)


def _mask(base: Base) -> int:
    mask = base.processor.mask_token_id
    if mask is None:
        raise CapabilityError(
            f"base '{base.card.name}' has no mask token in its tokenizer, which masked-language needs. "
            "Use the task causal-language, or another base."
        )
    return int(mask)


def _fills(logits: Tensor, example: np.ndarray, examples: int) -> Outputs:
    """The best guesses at positions of ``example``, in order, for the first few positions of each example."""
    best = logits.softmax(dim=-1).topk(min(_BEST, logits.shape[-1]), dim=-1)
    return _placed(best.indices.cpu().numpy(), best.values.cpu().numpy(), example, examples)


def _placed(tokens: np.ndarray, probabilities: np.ndarray, row: np.ndarray, rows: int) -> Outputs:
    """(positions, guesses) of ascending rows -> (rows, positions of a row, guesses); further positions are left out."""
    slot = np.arange(len(row)) - np.searchsorted(row, row)
    keep = slot < _FILLED
    placed = np.full((rows, _FILLED, _BEST), -1, dtype=np.int64)
    chances = np.zeros(placed.shape, dtype=np.float32)
    guesses = tokens.shape[-1]
    placed[row[keep], slot[keep], :guesses] = tokens[keep]
    chances[row[keep], slot[keep], :guesses] = probabilities[keep]
    return {"fill_tokens": placed, "fill_probabilities": chances}


def _guesses(tokens: list[int], probabilities: list[float], base: Base) -> dict[str, float]:
    pairs = zip(tokens, probabilities, strict=True)
    return {base.processor.decode([token]).strip(): chance for token, chance in pairs if token >= 0}
