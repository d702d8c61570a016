"""Extractive question answering: the passage of a context that answers a question, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from torch.nn import functional
from transformers import AutoModelForQuestionAnswering

from dianji.bases.base import Base, Card
from dianji.data.columns import Column
from dianji.errors import DataError
from dianji.evaluate import answers
from dianji.evaluate.answered import Answered, as_bytes
from dianji.registry import component
from dianji.tasks import _heads, _tokens
from dianji.tasks._passages import Passages, passages
from dianji.tasks._rows import refuse_empty, where
from dianji.tasks.base import MARGIN, Batch, Loss, Outputs, Purpose, Task, TaskModel

_LENGTH = 384  # tokens of a window, unless the recipe says otherwise or the base takes fewer
_NEVER = float(np.finfo(np.float32).max)  # a threshold that nothing exceeds
_EXTRA = ("starts", "ends", "first", "last", "start_positions", "end_positions")


@dataclass(frozen=True)
class AnswerPrediction:
    """The answer, empty for none, with its place in the context and the next best ones."""

    answer: str
    start: int  # character of the context; 0 for none
    end: int
    #: Passages with their scores, the best first.
    candidates: tuple[tuple[str, float], ...]
    #: Score of "no answer" less that of the best passage.
    gap: float

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """``{"answer", "start", "end"}``, and ``candidates`` and ``gap`` if ``everything``."""
        short = {"answer": self.answer, "start": self.start, "end": self.end}
        listed = [{"answer": text, "score": score} for text, score in self.candidates]
        return {**short, "candidates": listed, "gap": self.gap} if everything else short


@component("task", "question-answering")
@dataclass(frozen=True)
class QuestionAnswering(Task):
    """Start and end of the answer, each a softmax over the tokens (Devlin et al., 2019, arXiv:1810.04805, 4.2).

    A context that is longer than a window is read in several that overlap; a window without the answer points to its
    first token, as does a question without one.

    Args:
        length: tokens of a window, question included; by default 384, or the base's limit if that is less.
        stride: tokens that neighbouring windows share; by default a third of ``length``.
        question_length: tokens that are read of a question; by default half of ``length``.
        answer_length: tokens of the longest answer that is given.
        candidates: answers that are kept of each row.
        threshold: a row has no answer where the score of "no answer" exceeds that of the best passage by more; chosen
            on the validation rows where the training rows have questions without answer.
        unanswerable: learnt by ``fit``: whether there are such rows.
        chinese: learnt by ``fit``: answers are compared by characters, not by words.
    """

    length: Annotated[int, Field(gt=0)] | None = None
    stride: Annotated[int, Field(ge=0)] | None = None
    question_length: Annotated[int, Field(gt=0)] | None = None
    answer_length: Annotated[int, Field(gt=0)] = 30
    candidates: Annotated[int, Field(gt=0)] = 5
    threshold: float | None = None
    unanswerable: bool | None = None
    chinese: bool | None = None

    modality: ClassVar[Literal["text"]] = "text"
    hub_name: ClassVar[str] = "question-answering"
    not_inputs: ClassVar[frozenset[str]] = frozenset(_EXTRA)
    random_batches: ClassVar[bool] = False
    rows_at_once: ClassVar[int] = 1024
    metrics: ClassVar[tuple[str, ...]] = ("answer-f1", "answer-exact-match")
    baselines: ClassVar[tuple[str, ...]] = ("best-sentence",)

    @property
    def columns(self) -> Mapping[str, Column]:
        """``question``, ``context`` and ``answers``; questions about one context belong together."""
        return {
            "question": Column("text"),
            "context": Column("text", shared=True),
            "answers": Column("answers", target=True),
        }

    def usual(self, rows: int, card: Card) -> Mapping[str, Any]:
        """Windows are long: small batches, few epochs (Devlin et al., 2019)."""
        return {"batch_size": 16, "epochs": 3.0} if card.pretrained else {"batch_size": 16}

    def fit(self, table: pa.Table) -> Self:
        """Learn whether some questions have no answer, and how answers are written.

        Raises:
            DataError: no rows, or no row has an answer.
        """
        refuse_empty(table)
        golds = table["answers"].to_pylist()
        texts = [answer["text"] for row in golds for answer in row or ()]
        if not texts:
            raise DataError("column 'answers' has no answer in any row of the training split; expected some.")
        chinese = answers.is_chinese(texts) if self.chinese is None else self.chinese
        unanswerable = any(not row for row in golds) if self.unanswerable is None else self.unanswerable
        return replace(self, unanswerable=unanswerable, chinese=chinese)

    def calibrated(self, outcome: Any) -> Self:
        """The threshold with the best F1 on the validation rows; unchanged where every question has an answer."""
        if not self.unanswerable or self.threshold is not None:
            return self
        return replace(self, threshold=outcome.best_threshold())

    def corpus(self, table: pa.Table) -> pa.Table:
        """Questions and contexts as texts."""
        texts = [*table["question"].to_pylist(), *dict.fromkeys(table["context"].to_pylist())]
        return pa.table({"text": pa.array(texts, pa.string())})

    def model(self, base: Base) -> TaskModel:
        """See ``Task.model``."""
        return _heads.with_head(base.load(AutoModelForQuestionAnswering))

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """A window is an example: tokens, the characters of each token, the answer's tokens, and what it is scored by.

        Raises:
            DataError: an answer does not stand in its context.
        """
        read = self._read(table, base)
        columns: dict[str, Any] = {}
        if "answers" in table.column_names:
            golds = [_golds(table, row) for row in range(table.num_rows)]
            columns |= dict(zip(("start", "end"), read.targets(golds), strict=True))
            texts = [[answer["text"] for answer in row] for row in golds]
            # Only with the first window of a row: the others would repeat them.
            columns["golds"] = pa.array(read.at_first(texts), pa.list_(pa.string()))
        columns["context"] = pa.array(read.at_first(table["context"].to_pylist()), pa.string())
        return read.table(columns)

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """Model inputs, ``starts`` and ``ends`` (batch, longest): characters of each token, -1 outside the context."""
        ids, real = _tokens.padded(examples["input_ids"], _tokens.pad_id(base))
        batch = _tokens.model_inputs(ids, real)
        if "token_type_ids" in base.processor.model_input_names:
            batch["token_type_ids"] = torch.from_numpy(_tokens.padded(examples["types"], 0)[0])
        if "start" in examples.column_names:
            batch["start_positions"] = torch.from_numpy(examples["start"].to_numpy().copy())
            batch["end_positions"] = torch.from_numpy(examples["end"].to_numpy().copy())
        if purpose != "train":
            for name in ("starts", "ends"):
                batch[name] = torch.from_numpy(_tokens.padded(examples[name], -1)[0])
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """The mean of the cross-entropies of start and end."""
        start, end = self._logits(model, batch)
        value = functional.cross_entropy(start, batch["start_positions"])
        return Loss((value + functional.cross_entropy(end, batch["end_positions"])) / 2, len(start))

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """The best passages of each window: ``start``, ``end`` (characters) and ``score``, (examples, candidates).

        ``none`` (examples,) is the score of "no answer". Scores are sums of the logits of start and end.
        """
        start, end = self._logits(model, batch)
        inside = batch["starts"] >= 0
        low = torch.finfo(start.dtype).min / 4
        time = start.shape[1]
        joint = start.masked_fill(~inside, low)[:, :, None] + end.masked_fill(~inside, low)[:, None, :]
        distance = torch.arange(time, device=start.device)[None, :] - torch.arange(time, device=start.device)[:, None]
        joint = joint.masked_fill((distance < 0) | (distance >= self.answer_length), 2 * low)
        count = min(self.candidates + 1, time * time)
        best = joint.flatten(1).topk(count, dim=1)
        rows = torch.arange(len(start), device=start.device)[:, None]
        places = best.indices[:, : self.candidates]
        found = best.values[:, : self.candidates]
        margin = _margins(best.values)[:, : self.candidates]
        real = found > low
        outputs = {
            "start": torch.where(real, batch["starts"][rows, places // time], -1),
            "end": torch.where(real, batch["ends"][rows, places % time], -1),
            "score": torch.where(real, found, torch.full_like(found, -1e4)),
            "none": start[:, 0] + end[:, 0],
        }
        arrays = {name: value.cpu().numpy() for name, value in outputs.items()}
        near = margin.cpu().numpy()
        return {**arrays, f"start{MARGIN}": near, f"end{MARGIN}": near}

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """The best passages over all windows of each row; "no answer" must hold in all, so its least score counts."""
        rows = np.unique(examples["row"].to_numpy(), return_inverse=True)[1]
        count = int(rows.max(initial=-1)) + 1
        none = np.full(count, np.inf, dtype=np.float32)
        np.minimum.at(none, rows, outputs["none"])
        kept = outputs["score"].shape[1]
        place = np.repeat(rows, kept)
        order = np.lexsort((-outputs["score"].ravel(), place))
        rank = np.arange(len(order)) - np.searchsorted(place[order], place[order])
        chosen, slot = order[rank < kept], rank[rank < kept]
        assembled: Outputs = {"none": none}
        for name in ("start", "end", "score", f"start{MARGIN}", f"end{MARGIN}"):
            values = outputs[name].ravel()
            grid = np.zeros((count, kept), dtype=values.dtype)
            grid[place[chosen], slot] = values[chosen]
            assembled[name] = grid
        # Windows share tokens, so that one passage may be found twice with nearly one score.
        between = -np.diff(assembled["score"], axis=1, append=-1e4)
        nearest = np.minimum(between, np.pad(between, ((0, 0), (1, 0)), constant_values=np.inf)[:, :-1])
        for name in ("start", "end"):
            assembled[f"{name}{MARGIN}"] = np.minimum(assembled[f"{name}{MARGIN}"], nearest).astype(np.float32)
        return assembled

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[AnswerPrediction]:
        """The best passage of each context, or none."""
        limit = self._threshold
        found = []
        for row, context in enumerate(rows["context"].to_pylist()):
            passages_ = _distinct(context, *(outputs[name][row] for name in ("start", "end", "score")))
            gap = float(outputs["none"][row] - outputs["score"][row, 0])
            start, end = (int(outputs[name][row, 0]) for name in ("start", "end"))
            if gap > limit or start < 0:
                start = end = 0
            found.append(AnswerPrediction(context[start:end], start, end, passages_, gap))
        return found

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Answered:
        """The best passage of each row beside its expected answers."""
        rows = examples["row"].to_numpy()
        first = np.append(True, rows[1:] != rows[:-1])[: len(rows)]
        chosen = examples.filter(pa.array(first))
        contexts, golds = chosen["context"].to_pylist(), chosen["golds"].to_pylist()
        pairs = zip(contexts, outputs["start"][:, 0].tolist(), outputs["end"][:, 0].tolist(), strict=True)
        given = [context[start:end] if start >= 0 else "" for context, start, end in pairs]
        gap = (outputs["none"] - outputs["score"][:, 0]).astype(np.float64)
        return self._answered(given, golds, gap)

    def baseline_outcome(self, table: pa.Table, given: Sequence[str]) -> Answered:
        """Passages that a baseline gives, beside the expected answers of ``table``."""
        golds = [[answer["text"] for answer in row] for row in table["answers"].to_pylist()]
        return self._answered(list(given), golds, np.full(len(golds), -np.inf))

    @property
    def _threshold(self) -> float:
        return _NEVER if self.threshold is None else self.threshold

    def _answered(self, given: list[str], golds: list[list[str]], gap: np.ndarray) -> Answered:
        chinese = bool(self.chinese)
        pairs = list(zip(given, golds, strict=True))
        return Answered(
            exact=np.array([answers.exact_match(*pair, chinese=chinese) for pair in pairs]),
            f1=np.array([answers.f1(*pair, chinese=chinese) for pair in pairs]),
            unanswerable=np.array([not row for row in golds]),
            gap=np.maximum(gap, -1e6),
            given_text=as_bytes(given),
            true_text=as_bytes([row[0] if row else "" for row in golds]),
            threshold=self._threshold,
        )

    def _logits(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(examples, time) each, in fp32; padding can be neither start nor end."""
        found = model(**self.model_inputs(batch))
        padding = batch["attention_mask"] == 0
        start, end = found.start_logits.float(), found.end_logits.float()
        low = torch.finfo(start.dtype).min / 4
        return start.masked_fill(padding, low), end.masked_fill(padding, low)

    def _read(self, table: pa.Table, base: Base) -> Passages:
        length = _tokens.limit(base, self.length, _LENGTH)
        question = self.question_length or length // 2
        stride = length // 3 if self.stride is None else self.stride
        pairs = table["question"].to_pylist(), table["context"].to_pylist()
        return passages(*pairs, base, length=length, stride=stride, question_length=question)


def _margins(scores: torch.Tensor) -> torch.Tensor:
    """(examples, candidates): the distance of each score to its nearer neighbour among the sorted ones."""
    between = scores[:, :-1] - scores[:, 1:]
    before = functional.pad(between, (1, 0), value=1e6)[:, :-1]
    return torch.minimum(between, before)


def _golds(table: pa.Table, row: int) -> list[dict[str, Any]]:
    """The expected answers of a row with their places, which are looked for where the data do not give them."""
    context, found = table["context"][row].as_py(), []
    for answer in table["answers"][row].as_py() or []:
        text, start = answer["text"], answer["start"]
        if start is None or context[start : start + len(text)] != text:
            start = context.find(text)
        if start < 0:
            raise DataError(
                f"{where(table, row)}: the answer {text!r:.80} does not stand in the context. Expected a passage of "
                "it, with its offset in characters (not bytes). Correct the answer, or leave the row out."
            )
        found.append({"text": text, "start": start})
    return found


def _distinct(context: str, starts: np.ndarray, ends: np.ndarray, scores: np.ndarray) -> tuple[tuple[str, float], ...]:
    """Passages by descending score; one that two windows found counts once."""
    found: dict[tuple[int, int], float] = {}
    for start, end, score in zip(starts.tolist(), ends.tolist(), scores.tolist(), strict=True):
        if start >= 0:
            found.setdefault((start, end), score)
    return tuple((context[start:end], score) for (start, end), score in found.items())
