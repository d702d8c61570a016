"""Text to text: translation, summaries, rewriting, by an encoder-decoder model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from torch.nn import functional
from transformers import AutoModelForSeq2SeqLM

from dianji.bases.base import Base, Card
from dianji.data.columns import Column
from dianji.errors import CapabilityError, DataError
from dianji.evaluate.generated import Generated
from dianji.evaluate.metrics.translation import require_sacrebleu
from dianji.evaluate.outcome import Outcome
from dianji.registry import component
from dianji.tasks import _language, _pairs, _tokens
from dianji.tasks._beams import generate_by_beams
from dianji.tasks._generation import Decoder, Decoding, generate_singly
from dianji.tasks._positions import logits_at
from dianji.tasks._rows import refuse_empty, refuse_null
from dianji.tasks.base import MARGIN, Batch, Loss, Outputs, Purpose, Task, TaskModel
from dianji.tasks.truncation import WHOLE

Share = Annotated[float, Field(ge=0, lt=1)]

_LENGTH = 256  # tokens of a source and of a target, unless the recipe says otherwise or the base takes fewer
_TOKENS = "tokens"
_WANTED = "wanted"  # entry of a batch for predictions: whether, and with which random numbers, text is to be written
_TARGETS = frozenset({_language.TARGET, _WANTED})

_METRICS = {
    "translation": ("bleu", "chrf", "length-ratio", "exact-match"),
    "summary": ("rouge-l", "rouge-1", "rouge-2", "chrf", "length-ratio"),
    "other": ("exact-match", "chrf", "bleu", "rouge-l", "length-ratio"),
}
_BASELINES = {
    "translation": ("source-copy", "nearest-source"),
    "summary": ("lead-sentence", "nearest-source"),
    "other": ("frequent-target", "source-copy", "nearest-source"),
}


@dataclass(frozen=True)
class WrittenText:
    """What the model wrote. Not ``complete``: the length was used up before the text ended."""

    generated: str
    complete: bool = True

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """Both."""
        return {"generated": self.generated, "complete": self.complete}


@component("task", "text-to-text")
@dataclass(frozen=True, kw_only=True)
class TextToText(Task):
    """Learns to write ``target`` when it reads ``text``; every token of the target is predicted from those before it.

    Args:
        use: what the texts are to each other: decides the metrics, the first of which is the primary one, and the
            baselines.
        prefix: stands before every source, such as ``translate English to German: `` for T5.
        length: tokens of a source; by default 256, or what the base takes if that is less.
        target_length: tokens of a target in training; by default as ``length``.
        label_smoothing: share of each token's probability that is spread over the vocabulary.
        beams: hypotheses that are kept at each step; 1: always the likeliest token. 4 by default, where nothing is
            drawn.
        length_penalty: the power of its length by which a hypothesis' score is divided; more than 0 favours long ones.
        no_repeat: n-grams of this order occur once in a text; 0: any number of times.
        temperature: 0: the likeliest text; else tokens are drawn, the more evenly the higher.
        top_k: only so many of the likeliest tokens are drawn from; 0: all.
        top_p: only the likeliest tokens with this share of the probability are drawn from.
        sampling_seed: of the draws, which follow from it and the row's own text.
        new_tokens: the most that is written, the end included; by default as many as the longest target of the training
            split has bytes, which no target like those of training exceeds.
        longest: bytes of that target, learnt by ``fit``.
    """

    use: Literal["translation", "summary", "other"] = "translation"
    prefix: str = ""
    length: Annotated[int, Field(gt=0)] | None = None
    target_length: Annotated[int, Field(gt=0)] | None = None
    label_smoothing: Share = 0.1
    beams: Annotated[int, Field(ge=1)] | None = None
    length_penalty: float = 1.0
    no_repeat: Annotated[int, Field(ge=0)] = 0
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    sampling_seed: int = 0
    new_tokens: Annotated[int, Field(gt=0)] | None = None
    longest: Annotated[int, Field(gt=0)] | None = None

    modality: ClassVar[str] = "text"
    not_inputs: ClassVar[frozenset[str]] = _TARGETS
    measured_for: ClassVar[Purpose] = "predict"
    random_batches: ClassVar[bool] = False
    columns: ClassVar[Mapping[str, Column]] = MappingProxyType(
        {"text": Column("text"), "target": Column("text", target=True)}
    )
    epoch_metrics: ClassVar[tuple[str, ...]] = _language.METRICS

    @property
    def metrics(self) -> tuple[str, ...]:
        """By ``use``."""
        return _METRICS[self.use]

    @property
    def baselines(self) -> tuple[str, ...]:
        """By ``use``."""
        return _BASELINES[self.use]

    @property
    def decoding(self) -> Decoding:
        """How the next token is chosen.

        Raises:
            CapabilityError: beams and draws are both asked for.
        """
        if self.temperature and (self.beams or 1) > 1:
            raise CapabilityError(
                f"text-to-text: temperature {self.temperature} draws tokens, and beams {self.beams} look for the "
                "likeliest text. Choose one: temperature 0, or no beams."
            )
        beams = self.beams or (1 if self.temperature else 4)
        return Decoding(beams, self.length_penalty, self.no_repeat, self.temperature, self.top_k, self.top_p)

    def fit(self, table: pa.Table) -> Self:
        """Learn how long targets are.

        Raises:
            DataError: there are no rows, or all targets are empty.
            CapabilityError: sacrebleu is not installed, which the metrics need when the training is over.
        """
        require_sacrebleu()
        refuse_empty(table)
        longest = max(len(text.encode()) for text in _column(table, "target"))
        if not longest:
            raise DataError(
                f"all {table.num_rows} targets of the training split are empty; expected texts. Check which column "
                "'target' is mapped to."
            )
        return replace(self, longest=longest)

    def corpus(self, table: pa.Table) -> pa.Table:
        """Both sides, so that a new base has one vocabulary for what it reads and what it writes."""
        sources = [self.prefix + text for text in _column(table, "text")]
        return pa.table({"text": pa.array([*sources, *_column(table, "target")], pa.large_string())})

    def usual(self, rows: int, card: Card) -> Mapping[str, Any]:
        """Batches by tokens of both sides; a new model learns fast and long."""
        return _usual(rows, card)

    def model(self, base: Base) -> TaskModel:
        """The base with its output layer, which belongs to its weights: no part of it is a new head.

        What ``generate`` of transformers would do with the saved folder is set to what this task does.
        """
        how = self.decoding  # what is at odds is refused here rather than after the training
        model = base.load(AutoModelForSeq2SeqLM)
        marks, limit = _pairs.Marks.of(base), self._limit(base)
        settings: Any = model.generation_config
        settings._from_model_config = False  # else transformers would make it anew from config.json
        settings.update(
            decoder_start_token_id=marks.start,
            eos_token_id=marks.end,
            pad_token_id=_tokens.pad_id(base),
            max_length=1 + limit,
            num_beams=how.beams,
            length_penalty=how.length_penalty if how.beams > 1 else None,
            no_repeat_ngram_size=how.no_repeat or None,
            early_stopping=False if how.beams > 1 else None,
            do_sample=how.temperature > 0,
            temperature=how.temperature or None,
            top_k=how.top_k or None if how.temperature else None,
            top_p=how.top_p if how.temperature else None,
        )
        return TaskModel(model, ())

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """``input_ids``; with targets also ``target_ids``, and ``target`` as it is. ``length`` counts both sides."""
        found, whole = _pairs.sources([self.prefix + text for text in _column(table, "text")], base, self._source(base))
        length, more = _lengths(found), {}
        if "target" in table.column_names:
            texts = _column(table, "target")
            ids, of_target = _pairs.targets(texts, base, self._target(base), _pairs.Marks.of(base).end)
            length, whole = length + _lengths(ids), whole + of_target
            more = {"target_ids": ids, "target": pa.array(texts, pa.large_string())}
        columns = {
            "row": pa.array(np.arange(table.num_rows), pa.int64()),
            "length": pa.array(length, pa.int32()),
            "input_ids": found,
            WHOLE: pa.array(whole, pa.int32()),
        }
        return pa.table({**columns, **more})

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """``input_ids``, ``attention_mask``, ``decoder_input_ids``, ``labels``; to predict, only the first two.

        Then also ``wanted``: marks of the base, the most tokens, and random numbers where tokens are drawn.
        """
        batch = _pairs.source_batch(examples, base)
        marks = _pairs.Marks.of(base)
        if purpose != "predict":
            return {**batch, **_pairs.target_batch(examples, base, marks.start)}
        limit = self._limit(base)
        drawn = self._uniform(batch, limit) if self.decoding.temperature else None
        return {**batch, _WANTED: {"marks": marks, "limit": limit, "uniform": drawn}}

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Cross-entropy of every token of the targets, their ends included, with smoothed labels."""
        wanted = batch[_language.TARGET] != _language.IGNORED
        target = batch[_language.TARGET][wanted]
        logits = logits_at(model, self.model_inputs(batch), wanted)
        total = functional.cross_entropy(logits, target, reduction="sum", label_smoothing=self.label_smoothing)
        return Loss(total / max(1, len(target)), len(target))

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """To score: ``nll``, ``tokens``, ``hits`` of the targets. To predict: ``written`` (examples, new tokens)."""
        if _WANTED in batch:
            return self._write(model, batch)
        wanted = batch[_language.TARGET] != _language.IGNORED
        logits = logits_at(model, self.model_inputs(batch), wanted)
        target, example = batch[_language.TARGET][wanted], wanted.nonzero()[:, 0]
        return _language.scores(logits, target, example, len(wanted))

    def decode(self, outputs: Outputs, base: Base) -> Outputs:
        """Tokens also as ``text``."""
        return {**outputs, "text": _texts(outputs["written"], base)} if "written" in outputs else outputs

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[WrittenText]:
        """Texts, and whether they came to their end."""
        complete = (outputs["written"] < 0).any(axis=1).tolist()
        return [WrittenText(*both) for both in zip(_texts(outputs["written"], base), complete, strict=True)]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """``Generated``; ``Modelled`` of outputs that score."""
        if "text" not in outputs:
            return _language.outcome(outputs)
        margin = outputs[f"written{MARGIN}"].min(axis=1, initial=np.inf)
        return Generated.of(outputs["text"], examples["target"].to_pylist(), margin)

    def baseline_inputs(self, table: pa.Table) -> list[str]:
        """The sources, without prefix."""
        return _column(table, "text")

    def baseline_texts(self, table: pa.Table) -> list[str]:
        """The targets."""
        return _column(table, "target")

    def _write(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        wanted = batch[_WANTED]
        decoder, how = Decoder(model, batch, wanted["marks"]), self.decoding
        if how.beams > 1:
            found = generate_by_beams(decoder, wanted["marks"], wanted["limit"], how)
        else:
            found = generate_singly(decoder, wanted["marks"], wanted["limit"], how, wanted["uniform"])
        return {"written": found.tokens.cpu().numpy(), f"written{MARGIN}": found.margin.cpu().numpy()}

    def _uniform(self, batch: Batch, limit: int) -> torch.Tensor:
        """(rows, limit) in [0, 1): of each row by its own tokens, so that its text does not depend on its batch."""
        rows = []
        for ids, mask in zip(batch["input_ids"].numpy(), batch["attention_mask"].numpy(), strict=True):
            named = hashlib.sha256(ids[mask > 0].astype("<i8").tobytes() + str(self.sampling_seed).encode()).digest()
            rows.append(np.random.Generator(np.random.PCG64(int.from_bytes(named[:16], "big"))).random(limit))
        return torch.from_numpy(np.stack(rows))

    def _source(self, base: Base) -> int:
        return _tokens.limit(base, self.length, _LENGTH)

    def _target(self, base: Base) -> int:
        return self._source(base) if self.target_length is None else _tokens.limit(base, self.target_length, _LENGTH)

    def _limit(self, base: Base) -> int:
        """The most new tokens."""
        if self.new_tokens is None:
            return max(1, min((self.longest or 0) + 1, _tokens.longest(base) - 1))
        return min(self.new_tokens, _tokens.limit(base, self.new_tokens, _LENGTH))


def _usual(rows: int, card: Card) -> Mapping[str, Any]:
    if card.pretrained:
        return {"batch_tokens": 2048}
    return {"batch_tokens": 2048 if rows < 100_000 else 4096, "learning_rate": 1e-3, "epochs": 20.0}


def _column(table: pa.Table, name: str) -> list[str]:
    refuse_null(table, name, "a text (an empty one is allowed)")
    found: list[str] = table[name].to_pylist()
    return found


def _lengths(tokens: pa.LargeListArray) -> np.ndarray:
    return np.diff(tokens.offsets.to_numpy())


def _texts(written: np.ndarray, base: Base) -> list[str]:
    """Tokens to texts; -1 stands after a text's end."""
    rows = [[token for token in tokens if token >= 0] for tokens in written.tolist()]
    return [str(base.processor.decode(tokens, skip_special_tokens=True)).strip() for tokens in rows]
