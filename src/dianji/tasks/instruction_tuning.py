"""Instruction tuning: answer in conversations, learnt from the assistant's turns alone (Ouyang et al., 2022)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from transformers import AutoModelForCausalLM

from dianji.bases.base import Base, Card
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.errors import CapabilityError, DataError
from dianji.evaluate.conversed import Conversed
from dianji.evaluate.outcome import Outcome
from dianji.registry import component
from dianji.tasks import _answered, _chat_examples, _heads, _language, _packing, _tokens
from dianji.tasks._chat_template import Choice, Template
from dianji.tasks._chat_tokens import ChatTokenizer
from dianji.tasks._generation import Decoding
from dianji.tasks._replies import Endings, steps, write
from dianji.tasks._rows import refuse_empty, refuse_null, where
from dianji.tasks._untrained import UntrainedBase
from dianji.tasks._wrapper import require_tokens
from dianji.tasks.base import MARGIN, Batch, Loss, Outputs, Purpose, Task, TaskModel
from dianji.tasks.text_to_text import WrittenText

_LENGTH = 1024  # tokens of a conversation, unless the recipe says otherwise or the base takes fewer
_MOST = 512  # tokens of an answer, unless the recipe says otherwise
_WANTED = "wanted"  # entry of a batch for predictions: prompts, and how answers end


@component("task", "instruction-tuning")
@dataclass(frozen=True, kw_only=True)
class InstructionTuning(Task):
    """Learns every answer of the assistant, with the token that ends it, given the turns before.

    Other turns are read and not learnt. Conversations are written by the base's chat template. To predict, the last
    answer of a conversation is written; where it ends with one, that one is the reference.

    Args:
        answers: all: every answer is learnt; last: only the last one of a conversation.
        template: auto: the base's own chat template, else a plain one (``User: …``, ``Assistant: …``); default: the
            plain one. It is saved with the tokenizer.
        length: tokens of a conversation; by default 1,024, or what the base takes if that is less. Of a longer one the
            oldest exchanges are left out; at least one token of an answer is always kept.
        packing: several short conversations share one row of a batch and do not see each other; refused where the
            architecture cannot keep them apart.
        temperature: 0: the likeliest answer; else tokens are drawn, the more evenly the higher.
        top_k: only so many of the likeliest tokens are drawn from; 0: all.
        top_p: only the likeliest tokens with this share of the probability are drawn from.
        sampling_seed: of the draws, which follow from it and the conversation's own tokens.
        stop: strings that end an answer and are not part of it.
        new_tokens: the most that is written, the end included; by default as many as the longest last answer of the
            training split has bytes, at most 512 and half of what the base takes.
        longest: bytes of that answer, learnt by ``fit``.
    """

    answers: _chat_examples.Learnt = "all"
    template: Choice = "auto"
    length: Annotated[int, Field(gt=1)] | None = None
    packing: bool = False
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    sampling_seed: int = 0
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    new_tokens: Annotated[int, Field(gt=0)] | None = None
    longest: Annotated[int, Field(gt=0)] | None = None

    modality: ClassVar[str] = "text"
    hub_name: ClassVar[str] = "text-generation"
    measured_for: ClassVar[Purpose] = "predict"
    columns: ClassVar[Mapping[str, Column]] = MappingProxyType({"messages": Column("messages")})
    metrics: ClassVar[tuple[str, ...]] = ("perplexity", "exact-match", "turn-loss", "token-accuracy")
    epoch_metrics: ClassVar[tuple[str, ...]] = _language.METRICS
    baselines: ClassVar[tuple[str, ...]] = ("before-training",)
    supervised: ClassVar[bool] = True

    @property
    def random_batches(self) -> bool:
        """With packing, what is beside a row in a block depends on the batch."""
        return self.packing

    @property
    def decoding(self) -> Decoding:
        """How the next token is chosen."""
        return Decoding(temperature=self.temperature, top_k=self.top_k, top_p=self.top_p)

    def check(self, table: pa.Table, findings: Findings) -> None:
        """Rows without an answer to learn from."""
        for row, turns in enumerate(table["messages"].to_pylist()):
            fault = _chat_examples.nothing_to_learn(turns or (), self.answers)
            if fault:
                findings.fault(f"{where(table, row)}: {fault}")

    def fit(self, table: pa.Table) -> Self:
        """Learn how long answers are.

        Raises:
            DataError: there are no rows, or a row has no answer to learn from.
        """
        refuse_empty(table)
        findings = Findings()
        self.check(table, findings)
        findings.check()
        last = (turns[-1]["content"] + turns[-1]["tool_calls"] for turns in table["messages"].to_pylist())
        return replace(self, longest=max(len(text.encode()) for text in last))

    def corpus(self, table: pa.Table) -> pa.Table:
        """Conversations in the words of the plain template, so that a new base's tokenizer knows them."""
        return pa.table({"text": pa.array(list(map(_chat_examples.plain, _turns(table))), pa.large_string())})

    def usual(self, rows: int, card: Card) -> Mapping[str, Any]:
        """A new model learns fast and long."""
        return {} if card.pretrained else {"learning_rate": 1e-3, "epochs": 20.0}

    def model(self, base: Base) -> TaskModel:
        """The base with its output layer; the tokenizer gets the template, and ``generate`` the tokens that end.

        Raises:
            CapabilityError: the base is an encoder-decoder, its tokenizer cannot end an answer, or packing does not
                work with its architecture.
        """
        require_tokens(base)
        reader = self._reader(base)
        ends = reader.ends
        self._limit(base)
        decoder = {"is_decoder": True} if hasattr(base.config, "is_decoder") else {}
        made = _heads.with_head(base.load(AutoModelForCausalLM, **decoder, **_heads.no_labels()))
        if self.packing:
            _packing.require_separable(made.model, base.card.name)
        reader.template.install()
        settings: Any = getattr(made.model, "generation_config", None)
        if settings is not None:
            settings._from_model_config = False  # else transformers would make it anew from config.json
            settings.update(eos_token_id=list(ends), pad_token_id=_tokens.pad_id(base))
        return made

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """``input_ids``, ``answers`` (number of the answer of each token), ``prompt``, ``reference``.

        Raises:
            DataError: the template cannot write a conversation; names the row.
        """
        reader, length = self._reader(base), _tokens.limit(base, self.length, _LENGTH)
        room = _tokens.longest(base) - self._limit(base)
        return _chat_examples.encoded(table, reader, _chat_examples.Sizes(length, room), self.answers)

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """``input_ids``, ``labels`` (the next token where it is an answer's), ``turn``, ``owner``, ``places``.

        To predict also ``wanted``: prompts, their lengths, ends, the most tokens, random numbers.
        """
        size = _tokens.limit(base, self.length, _LENGTH) if self.packing else 1
        batch = _answered.batch(examples, _tokens.pad_id(base), size)
        if purpose != "predict":
            return batch
        ids, real = _tokens.padded(examples["prompt"], _tokens.pad_id(base))
        lengths = real.sum(axis=1)
        limit = self._limit(base)
        batch[_WANTED] = {
            "ids": torch.from_numpy(ids),
            "lengths": torch.from_numpy(lengths),
            "endings": Endings(base.processor, self._reader(base).ends, self.stop),
            "limit": limit,
            "uniform": self._uniform([row[:size] for row, size in zip(ids, lengths, strict=True)], limit),
        }
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Cross-entropy of the tokens of answers, their ends included; the mean over these tokens.

        Raises:
            DataError: there is not one.
        """
        found = _answered.loss(model, batch, packing=self.packing)
        if not found.items:
            raise DataError(
                "a batch has no token of an answer, so that nothing would be learnt from it. Check the roles of the "
                "column 'messages': the assistant's turns are learnt."
            )
        return found

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """Of each row ``nll``, ``tokens``, ``hits``, ``turn_nll``, ``turn_tokens``; to predict also ``written``."""
        found = _answered.scores(model, batch, packing=self.packing)
        if _WANTED not in batch:
            return found
        wanted = batch[_WANTED]
        tokens, margin = write(
            model,
            wanted["ids"],
            wanted["lengths"],
            wanted["endings"],
            wanted["limit"],
            self.decoding,
            wanted["uniform"],
        )
        return {**found, "written": tokens.cpu().numpy(), f"written{MARGIN}": margin.cpu().numpy()}

    def decode(self, outputs: Outputs, base: Base) -> Outputs:
        """Tokens also as ``text``."""
        return {**outputs, "text": self._texts(outputs, base)} if "written" in outputs else outputs

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[WrittenText]:
        """Answers, and whether they came to their end."""
        complete = (outputs["written"] < 0).any(axis=1).tolist()
        return [WrittenText(*both) for both in zip(self._texts(outputs, base), complete, strict=True)]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """``Conversed``; ``Modelled`` of outputs that score.

        Raises:
            DataError: a row has no answer to compare with.
        """
        if "text" not in outputs:
            return _language.outcome(outputs)
        references = examples["reference"]
        if references.null_count:
            row = int(np.flatnonzero(references.is_null().to_numpy())[0])
            raise DataError(
                f"row {examples['row'][row].as_py() + 1}: the conversation does not end with an answer of the "
                "assistant, so that there is nothing to compare with. Add the answer, or leave out the row."
            )
        margin = outputs[f"written{MARGIN}"].min(axis=1, initial=np.inf)
        likelihood = {name: outputs[name] for name in ("nll", "tokens", "hits", "turn_nll", "turn_tokens")}
        return Conversed.told((outputs["text"], references.to_pylist()), margin, likelihood)

    def comparable(self, base: Base) -> UntrainedBase:
        """What baselines are given: the task with its base."""
        return UntrainedBase(self, base)

    def reply(self, model: torch.nn.Module, base: Base, turns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The answer to a conversation, piece by piece as it is written; the pieces together are the whole answer.

        Args:
            model: in evaluation mode.
            base: whose tokenizer and template the model was trained with.
            turns: records of the column kind ``messages``; the last one is the user's or a tool's.

        Raises:
            DataError: the template cannot write the conversation.
        """
        limit = self._limit(base)
        prompt = _chat_examples.prompt(self._reader(base), turns, _tokens.longest(base) - limit)
        endings = Endings(base.processor, self._reader(base).ends, self.stop)
        device = next(model.parameters()).device
        ids = torch.tensor([prompt], device=device)
        uniform = self._uniform([np.array(prompt)], limit)
        written: list[int] = []
        told = ""
        for step in steps(
            model,
            ids,
            torch.tensor([len(prompt)], device=device),
            endings,
            limit,
            self.decoding,
            None if uniform is None else uniform.to(device),
        ):
            if int(step.tokens) >= 0:
                written.append(int(step.tokens))
                piece = endings.settled(endings.text(written)).lstrip()[len(told) :].rstrip()
                if piece:
                    told += piece
                    yield piece
        last = endings.text(written).strip()[len(told) :]
        if last:
            yield last

    def _texts(self, outputs: Outputs, base: Base) -> list[str]:
        """Tokens to texts; -1 stands after an answer's end."""
        endings = Endings(base.processor, (), self.stop)
        rows = [[token for token in tokens if token >= 0] for tokens in outputs["written"].tolist()]
        return [endings.text(tokens).strip() for tokens in rows]

    def _uniform(self, prompts: Sequence[np.ndarray], limit: int) -> torch.Tensor | None:
        """(rows, limit) in [0, 1): of each row by its own tokens, so that its answer does not depend on its batch."""
        if not self.temperature:
            return None
        rows = []
        for ids in prompts:
            named = hashlib.sha256(ids.astype("<i8").tobytes() + str(self.sampling_seed).encode()).digest()
            rows.append(np.random.Generator(np.random.PCG64(int.from_bytes(named[:16], "big"))).random(limit))
        return torch.from_numpy(np.stack(rows))

    def _reader(self, base: Base) -> ChatTokenizer:
        if not base.processor.is_fast:  # the others do not know which characters a token is of
            raise CapabilityError(f"the tokenizer of base '{base.card.name}' has no fast version. Choose another base.")
        return ChatTokenizer(Template.of(base, self.template))

    def _limit(self, base: Base) -> int:
        """The most new tokens.

        Raises:
            CapabilityError: they leave no room for a prompt.
        """
        most = _tokens.longest(base)
        if self.new_tokens is None:
            return max(1, min((self.longest or 0) + 1, _MOST, most // 2))
        if self.new_tokens >= most:
            raise CapabilityError(
                f"base '{base.card.name}' takes {most} tokens: there is no room for a prompt before {self.new_tokens} "
                f"new ones. Set new_tokens to less than {most}."
            )
        return self.new_tokens


def _turns(table: pa.Table) -> list[list[dict[str, Any]]]:
    refuse_null(table, "messages", "a list of messages")
    found: list[list[dict[str, Any]]] = table["messages"].to_pylist()
    return found
