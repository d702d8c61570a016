"""Sequence tagging: a label for spans of words, such as entities, slots or parts of speech (Ramshaw & Marcus, 1995)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from transformers import AutoModel, AutoModelForTokenClassification

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.schemes import Span
from dianji.errors import DataError
from dianji.evaluate.ragged import Ragged, offsets_of
from dianji.evaluate.spans import Spans
from dianji.registry import component
from dianji.tasks import _gold, _heads, _labels, _tagging, _tokens
from dianji.tasks._crf import CrfTagger, crf_of, head_names, restore_head
from dianji.tasks._positions import logits_at
from dianji.tasks._rows import refuse_empty
from dianji.tasks._tagging import SpansPrediction
from dianji.tasks._tagset import TagScheme, TagSet
from dianji.tasks._word_windows import BEGINS, ENDS, word_windows
from dianji.tasks._words import Passage, WordRule
from dianji.tasks._wrapper import require_tokens
from dianji.tasks.base import ITEMS, MARGIN, Batch, Loss, Outputs, Purpose, Task, TaskModel

_LENGTH = 256  # tokens in a window, unless the recipe says otherwise or the base takes fewer
_TARGET, _EDGES = "labels", "edges"


@component("task", "sequence-tagging")
@dataclass(frozen=True)
class SequenceTagging(Task):
    """A linear layer over the first token of each word; the best sequence of tags that the scheme allows is predicted.

    Rows are lists of words (``tokens``, with ``tags``) or texts (``text``, with ``spans`` in characters). Predictions
    are whole words with their places in the original text.

    Args:
        crf: learn how tags follow each other. Such a head is opened by Dianji, not by transformers.
        scheme: tags that the model learns; by default bio, or plain where the data's tags name no positions.
        words: of a text. auto: letters and digits together, all else one by one; characters: each is a word.
        misaligned: what becomes of a span that begins or ends inside a word.
        repair: a tag that goes on a span which has not begun begins it; otherwise it is an error.
        length: tokens of a window; by default 256, or the base's limit if that is less.
        overlap: tokens that neighbouring windows of a long text share; by default a quarter of ``length``.
        smoothing: share of the target that is spread over all tags; not with ``crf``.
        reads: the column that is read; learnt by ``fit``.
        labels: learnt by ``fit``; naming them fixes their order.
    """

    crf: bool = False
    scheme: Literal["bio", "bioes", "plain"] | None = None
    words: WordRule = "auto"
    misaligned: Literal["error", "widen"] = "error"
    repair: bool = False
    length: Annotated[int, Field(gt=0)] | None = None
    overlap: Annotated[int, Field(ge=0)] | None = None
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    reads: Literal["tokens", "text"] | None = None
    labels: tuple[str, ...] = ()

    modality: ClassVar[str] = "text"
    hub_name: ClassVar[str] = "token-classification"
    not_inputs: ClassVar[frozenset[str]] = frozenset({_TARGET, ITEMS, _EDGES})
    metrics: ClassVar[tuple[str, ...]] = (
        "span-f1", "span-precision", "span-recall", "span-macro-f1", "token-accuracy",
    )  # fmt: skip
    baselines: ClassVar[tuple[str, ...]] = ("majority-tag", "word-logistic-regression")

    @property
    def columns(self) -> Mapping[str, Column]:
        """``tokens`` with ``tags``, or ``text`` with ``spans``; a model of either reads both kinds of input."""
        pairs = {"tokens": ("tokens", "tags"), "text": ("text", "spans")}
        order = ("text", "tokens") if self.reads == "text" else ("tokens", "text")
        inputs = {name: Column(name, optional=True) for name in order}
        targets = {target: Column(target, target=True, optional=True) for target in (pairs[name][1] for name in order)}
        return {**inputs, **targets}

    @property
    def random_batches(self) -> bool:
        """No."""
        return False

    def fit(self, table: pa.Table) -> Self:
        """Learn the labels, the scheme and which column is read; what was given is kept.

        Raises:
            DataError: there is no word, or no span; see ``_gold``.
        """
        refuse_empty(table)
        reads = self.reads or _gold.input_of(table)
        scheme = self.scheme or _scheme_of(table)
        read = _gold.passages(table, _gold.input_of(table, reads), self.words)
        if not any(map(len, read)):
            raise DataError(
                f"none of the {table.num_rows} rows of the training split has a word, so that nothing can be learnt. "
                f"Check the column that data.<name>.columns calls {reads}."
            )
        fitted = replace(self, reads=reads, scheme=scheme)
        found = {span.label for spans in fitted._gold(table, read) for span in spans}
        if not found:
            raise DataError(
                f"none of the {table.num_rows} rows of the training split has a span; expected some words with a label."
                " Check the column of tags or spans."
            )
        return replace(fitted, labels=self.labels or tuple(sorted(found)))

    def check(self, table: pa.Table, findings: Findings) -> None:
        """Spans that do not align with words, tags that break their scheme, and columns that are missing."""
        try:
            self._found(table, self._read(table), findings)
        except DataError as error:
            findings.fault(str(error))

    def corpus(self, table: pa.Table) -> pa.Table:
        """What is read of each row, as ``text``."""
        return pa.table({"text": [words.text for words in self._read(table)]})

    def model(self, base: Base) -> TaskModel:
        """The token classifier of transformers, or a backbone under a CRF.

        Raises:
            CapabilityError: transformers has no token classifier of the architecture, or a CRF is asked of an
                encoder-decoder.
        """
        names = self.tags.names
        if not self.crf:
            numbers = {name: number for number, name in enumerate(names)}
            labels = {"id2label": dict(enumerate(names)), "label2id": numbers}
            return _heads.own_classifier(base, AutoModelForTokenClassification, labels)
        require_tokens(base)
        model = CrfTagger(base.load(AutoModel), base.card.width, self.tags)
        model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        if not restore_head(model, base):
            base.new_weights.extend(head_names(model))
        return TaskModel(model, ("classifier", "crf"))

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """``input_ids``; ``firsts``: the first token of each word that the window owns; ``target``: their classes."""
        limit = _tokens.limit(base, self.length, _LENGTH)
        read = self._read(table)
        windows = word_windows(read, base, limit, limit // 4 if self.overlap is None else self.overlap)
        if not _gold.has_gold(table):
            return windows.table()
        spans = self._gold(table, read)
        numbers = [self.tags.numbers(row, len(words)) for row, words in zip(spans, read, strict=True)]
        owned = zip(windows.rows.tolist(), windows.owned.tolist(), strict=True)
        return windows.table(target=_tokens.lists([numbers[row][start:stop] for row, (start, stop) in owned]))

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """Inputs; ``items`` (batch, time): first tokens of owned words; ``labels`` there, ``IGNORED`` elsewhere."""
        ids, real = _tokens.padded(examples["input_ids"], _tokens.pad_id(base))
        batch = _tokens.model_inputs(ids, real)
        firsts = examples["firsts"].combine_chunks()
        places = np.repeat(np.arange(len(ids)), np.diff(firsts.offsets.to_numpy())), firsts.flatten().to_numpy()
        items = np.zeros(ids.shape, dtype=bool)
        items[places] = True
        batch[ITEMS] = torch.from_numpy(items)
        if "target" in examples.column_names:
            labels = np.full(ids.shape, _tagging.IGNORED, dtype=np.int64)
            labels[places] = examples["target"].combine_chunks().flatten().to_numpy()
            batch[_TARGET] = torch.from_numpy(labels)
        if self.crf:
            batch[_EDGES] = torch.from_numpy(np.array(examples["edges"].to_numpy()))
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Cross-entropy per word; with a CRF the negative log-likelihood of the tags, divided by the words."""
        items = batch[ITEMS]
        logits, target = logits_at(model, self.model_inputs(batch), items), batch[_TARGET][items]
        if not self.crf:
            summed = torch.nn.functional.cross_entropy(logits, target, reduction="sum", label_smoothing=self.smoothing)
        else:
            grid, lengths = _tagging.grid_of(logits, items), items.sum(dim=1)
            path = _tagging.grid_of(target.unsqueeze(1), items).squeeze(2)
            summed = crf_of(model)(grid, lengths, *_edges(batch), path).sum()
        return Loss(summed / max(1, len(target)), len(target))

    def constant_loss(self, table: pa.Table) -> float:
        """The entropy of the tags of all words."""
        read = self._read(table)
        rows = zip(self._gold(table, read), read, strict=True)
        numbers = [np.asarray(self.tags.numbers(row, len(words)), dtype=np.int64) for row, words in rows]
        return _labels.entropy(np.bincount(np.concatenate(numbers)))

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """``scores``: log-probability of each tag of each word; with a CRF also the best ``tags`` of the window."""
        items = batch[ITEMS]
        logits, lengths = logits_at(model, self.model_inputs(batch), items), items.sum(dim=1)
        if not self.crf:
            return {"scores": _tagging.ragged(logits.log_softmax(dim=1), lengths)}
        crf, grid = crf_of(model), _tagging.grid_of(logits, items)
        best = crf.best(grid, lengths, *_edges(batch))
        return _tagging.crf_outputs(crf.log_marginals(grid, lengths, *_edges(batch)), best, lengths)

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """The words of a row's windows one after the other."""
        rows = np.unique(examples["row"].to_numpy(), return_inverse=True)[1]
        count = int(rows.max(initial=-1)) + 1

        def joined(windows: Ragged) -> Ragged:
            lengths = np.bincount(rows, weights=windows.lengths, minlength=count)
            return Ragged(windows.values, offsets_of(lengths.astype(np.int64)))

        return {name: joined(values) for name, values in outputs.items()}

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[SpansPrediction]:
        """The spans of each row; their ``probability`` is the smallest of their words' tags."""
        decoded = self._decoded(outputs)
        read = self._read(rows)
        return [
            _tagging.prediction(self.tags, words, tags, scores)
            for words, tags, scores in zip(read, decoded.tags, outputs["scores"], strict=True)
        ]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Spans:
        """``Spans`` of words."""
        gold = self.assemble({"target": _tagging.ragged_of(examples["target"])}, examples)["target"]
        decoded = self._decoded(outputs)
        return _tagging.outcome(self.tags, gold, decoded.tags, decoded.margins)

    @property
    def tags(self) -> TagSet:
        """The classes; those of a task that was fitted."""
        return TagSet(self.labels, self.scheme or "bio")

    def baseline_words(self, table: pa.Table) -> list[list[str]]:
        """The words of each row."""
        return [words.words for words in self._read(table)]

    def baseline_tags(self, table: pa.Table) -> list[list[int]]:
        """The class of each word."""
        read = self._read(table)
        spans = self._gold(table, read)
        return [self.tags.numbers(row, len(words)) for row, words in zip(spans, read, strict=True)]

    def baseline_outcome(self, table: pa.Table, scores: list[np.ndarray]) -> Spans:
        """The outcome of (words, tags) log-probabilities per row, by the same decoding as the model's."""
        widths = [np.empty((0, len(self.tags.names)), np.float32), *scores]  # no row would leave the width unknown
        decoded = _tagging.decode(self.tags, Ragged.of(widths).take(np.arange(1, len(widths))))
        numbers = [np.empty(0, np.int64), *(np.array(row, np.int64) for row in self.baseline_tags(table))]
        gold = Ragged.of(numbers).take(np.arange(1, len(numbers)))
        return _tagging.outcome(self.tags, gold, decoded.tags, decoded.margins)

    def _read(self, table: pa.Table) -> list[Passage]:
        return _gold.passages(table, _gold.input_of(table, self.reads), self.words)

    def _gold(self, table: pa.Table, read: Sequence[Passage]) -> list[list[Span]]:
        findings = Findings()
        found = self._found(table, read, findings)
        findings.check()
        if self.labels:
            _gold.require_known(((row, span) for row, spans in enumerate(found) for span in spans), self.labels, table)
        return found

    def _found(self, table: pa.Table, read: Sequence[Passage], findings: Findings) -> list[list[Span]]:
        return _gold.gold(table, read, findings, widen=self.misaligned == "widen", repair=self.repair)

    def _decoded(self, outputs: Outputs) -> _tagging.Decoded:
        if self.crf:
            return _tagging.Decoded(outputs["tags"], outputs[f"tags{MARGIN}"])
        return _tagging.decode(self.tags, outputs["scores"])


def _scheme_of(table: pa.Table) -> TagScheme:
    return "plain" if _gold.are_plain(table) else "bio"


def _edges(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each window begins, and ends, its row."""
    edges = batch[_EDGES]
    return (edges & BEGINS).bool(), (edges & ENDS).bool()
