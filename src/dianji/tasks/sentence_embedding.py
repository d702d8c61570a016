"""Sentence embedding: one vector per text, close for texts that mean the same (Reimers & Gurevych, 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from transformers import AutoModel

from dianji.bases.base import Base, Card
from dianji.data.columns import Column
from dianji.errors import CapabilityError, DataError
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.ranked import Search
from dianji.evaluate.similar import Similarity
from dianji.registry import component
from dianji.tasks import _contrastive, _masking, _row_texts, _tokens
from dianji.tasks._denoising import NOTHING, Decoder, deleted
from dianji.tasks._embedder import Embedder, Reading, require_known_chain
from dianji.tasks._embedding_baselines import TaskOnBase
from dianji.tasks._forms import FORMS, Form, FormName, LossName
from dianji.tasks._rows import refuse_empty, refuse_null
from dianji.tasks._vector_prompts import Prompts
from dianji.tasks._wrapper import require_tokens
from dianji.tasks.base import Batch, Loss, Outputs, Purpose, Task, TaskModel
from dianji.tasks.embedder import TextEmbedder

_LENGTH = 256  # tokens, unless the recipe says otherwise or the base takes fewer


_RATE = 5e-5  # of a pre-trained base that is 384 wide
_MANY = 4000  # rows


@dataclass(frozen=True)
class VectorPrediction:
    """The vector of a text, float32."""

    vector: np.ndarray

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """``{"dimensions", "norm"}``, and ``vector`` if ``everything``."""
        short = {"dimensions": len(self.vector), "norm": float(np.linalg.norm(self.vector))}
        return {**short, "vector": self.vector.tolist()} if everything else short


@component("task", "sentence-embedding")
@dataclass(frozen=True)
class SentenceEmbedding(Task):
    """A vector per text: the base's states, pooled and normalised. Similarity is the cosine.

    Args:
        form: what a row is. pairs: ``text`` and a ``positive`` that means the same or answers it; scored-pairs:
            ``text``, ``other`` and a ``score`` of their similarity; triplets: ``text``, ``positive`` and an unlike
            ``negative``; classes: ``text`` and ``label``, where texts of one label belong together; texts: ``text``
            alone.
        objective: the loss; auto is the first of the form. pairs: mnrl, which tells the positive from all others of the
            batch; scored-pairs: cosent, or mse of cosine and score; triplets: mnrl, or triplet; classes: mnrl; texts:
            simcse (the same text twice, with other dropout), or tsdae (rebuild the text from the vector of a part).
        scale: of cosines in mnrl, simcse and cosent; one by the temperature.
        margin: of cosines, for triplet.
        symmetric: with mnrl, also tell the text from all others, given its positive.
        dimensions: train vectors cut to these widths too, so that they can be cut later (Matryoshka).
        at_once: rows that are in memory at a time for losses that compare the rows of a batch; gradients are the same,
            at the cost of a second forward pass.
        deletion: share of the tokens that tsdae leaves out.
        pooling: mean of the tokens, first token, or as the base's card says (else the mean).
        normalize: vectors have length one.
        length: tokens that are read of a text; by default 256, or the base's limit if that is less.
        prompt: put before each ``text``; null: what the base was trained with.
        partner_prompt: put before the texts it is compared with; null: what the base was trained with.
        scores: the lowest and the highest score, learnt by ``fit``.
    """

    form: FormName = "pairs"
    objective: LossName = "auto"
    scale: Annotated[float, Field(gt=0)] = 20.0
    margin: Annotated[float, Field(gt=0)] = 0.2
    symmetric: bool = False
    dimensions: tuple[Annotated[int, Field(gt=0)], ...] = ()
    at_once: Annotated[int, Field(gt=0)] | None = None
    deletion: Annotated[float, Field(gt=0, lt=1)] = 0.6
    pooling: Literal["auto", "mean", "first"] = "auto"
    normalize: bool = True
    length: Annotated[int, Field(gt=0)] | None = None
    prompt: str | None = None
    partner_prompt: str | None = None
    scores: tuple[float, float] | None = None

    modality: ClassVar[str] = "text"
    hub_name: ClassVar[str] = "sentence-similarity"
    not_inputs: ClassVar[frozenset[str]] = frozenset({"numbers", "key", "score", "target"})

    def __post_init__(self) -> None:
        """Refuse arguments that contradict each other.

        Raises:
            CapabilityError: the loss is not one of the form's.
        """
        losses = self._form.losses
        if self.objective not in ("auto", *losses):
            raise CapabilityError(
                f"objective {self.objective} does not go with form {self.form}; expected {' or '.join(losses)}."
            )

    @property
    def columns(self) -> Mapping[str, Column]:
        """Those of the form; predicting needs ``text`` alone."""
        return self._form.columns

    @property
    def metrics(self) -> tuple[str, ...]:
        """Correlation with the scores; elsewhere ranks among all texts of the split."""
        return self._form.metrics

    @property
    def baselines(self) -> tuple[str, ...]:
        """Vectors at random, counted words, and the base before training."""
        return ("random-vectors", "tfidf-cosine", "before-training")

    @property
    def supervised(self) -> bool:
        """Whether rows say which texts are alike."""
        return self.form != "texts"

    @property
    def random_batches(self) -> bool:
        """Partners of a class and deleted tokens are drawn; texts alone are scored by parts of them."""
        return self.form in ("classes", "texts")

    @property
    def couples_examples(self) -> bool:
        """Whether rows of a batch are each other's negatives."""
        return self._objective != "tsdae" and self._loss.couples

    @property
    def passes(self) -> int:
        """Several, since texts of one length are read together; tsdae reads one text of each row, in one pass."""
        return 1 if self._objective == "tsdae" else 2

    def corpus(self, table: pa.Table) -> pa.Table:
        """All texts, also those that a text is compared with."""
        return pa.table(
            {"text": pa.chunked_array([chunk for name in self._form.texts for chunk in table[name].chunks])}
        )

    def usual(self, rows: int, card: Card) -> Mapping[str, Any]:
        """A quarter of the usual steps for a pre-trained base: its vectors are good already, and there is no new head.

        Many scored pairs have smaller batches and fewer epochs too, as measured on STS-B.
        """
        if not card.pretrained or self._objective == "tsdae":
            return {}
        rate = {"learning_rate": _RATE * min(1.0, (384 / card.width) ** 2)}
        return {**rate, "batch_size": 32, "epochs": 4.0} if self.form == "scored-pairs" and rows >= _MANY else rate

    def fit(self, table: pa.Table) -> Self:
        """Learn the range of the scores.

        Raises:
            DataError: there are no rows, or all scores are equal.
        """
        refuse_empty(table)
        if self.form != "scored-pairs" or self.scores is not None:
            return self
        refuse_null(table, "score", "a number")
        scores = table["score"].to_numpy()
        if scores.min() == scores.max():
            raise DataError(
                f"column 'score' is {scores[0]:g} in all {len(scores)} rows of the training split; expected scores "
                "that differ. Check the column."
            )
        return replace(self, scores=(float(scores.min()), float(scores.max())))

    def model(self, base: Base) -> TaskModel:
        """The pooled base goes by ``backbone``; with tsdae a new ``decoder`` is the head.

        Raises:
            CapabilityError: the base is an encoder-decoder, or its vectors pass through unknown modules or are narrower
                than ``dimensions``.
        """
        require_tokens(base)
        require_known_chain(base)
        if self.dimensions and max(self.dimensions) > base.card.width:
            raise CapabilityError(
                f"dimensions: {max(self.dimensions)} is more than the {base.card.width} of base '{base.card.name}'. "
                "Leave it out."
            )
        backbone = base.load(AutoModel)
        pooling = base.card.pooling if self.pooling == "auto" else self.pooling
        reading = Reading(
            "mean" if pooling == "native" else pooling,
            base.card.width,
            self._limit(base),
            self.normalize,
            self._prompts(base).named(),
        )
        tsdae = self._objective == "tsdae"
        decoder = Decoder(base.card.width, self._limit(base), base.config.vocab_size) if tsdae else None
        model = Embedder(backbone, reading, decoder)
        model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        return TaskModel(model, ("decoder",) if decoder is not None else (), "sentence-transformers")

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """See ``_row_texts.encoded``; with targets also ``key``, and ``score`` of scored pairs.

        Raises:
            DataError: a text, label or score is missing.
        """
        form, prompts = self._form, self._prompts(base)
        targets = [name for name, column in form.columns.items() if column.target]
        complete = all(name in table.column_names for name in targets)
        names = form.texts if complete else form.texts[:1]
        texts = [prompts.of(name == "text", _texts(table, name)) for name in names]
        if not complete or form.target is None:
            found = _row_texts.encoded(texts, base, self._limit(base))
            return found.append_column("key", pa.array(_row_texts.firsts(found), pa.int64()))
        refuse_null(table, form.target[0], "a value")
        if self.form == "classes":
            key = _row_texts.keyed(table["label"].to_pylist())
            found = _row_texts.encoded(texts, base, self._limit(base), _row_texts.classmates(key))
            return found.append_column("key", pa.array(key, pa.int64()))
        found = _row_texts.encoded(texts, base, self._limit(base))
        key = pa.array(_row_texts.firsts(found), pa.int64())
        return found.append_column("key", key).append_column("score", pa.array(table["score"].to_numpy(), pa.float64()))

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """``input_ids``, ``attention_mask`` (rows, texts, time); to train also what the loss needs to know.

        A text of form ``texts`` is scored by whether its vector is found by that of a part of it.
        """
        fill = _tokens.pad_id(base)
        grid = _row_texts.grid(examples, self._places(examples, rng, purpose), fill)
        ids, real = grid.ids, grid.real
        batch: Batch = {}
        if self._parts(purpose):
            if self._objective == "tsdae":
                batch["target"] = torch.from_numpy(np.where(real[:, -1], ids[:, -1], NOTHING))
            ordinary = real[:, 0] & ~np.isin(ids[:, 0], base.processor.all_special_ids)
            draw = _masking.draws(ids[:, 0], real[:, 0], rng, training=purpose == "train")[0]
            parts, left = deleted(ids[:, 0], real[:, 0], ordinary, draw, self.deletion, fill)
            ids[:, 0], real[:, 0] = parts, left
        batch |= _tokens.model_inputs(ids, real)
        if purpose == "predict":
            return batch
        batch |= {
            "numbers": torch.from_numpy(grid.numbers),
            "key": torch.from_numpy(_row_texts.scalar(examples, "key")),
        }
        if "score" in examples.column_names:
            batch["score"] = torch.from_numpy(self._scaled(_row_texts.scalar(examples, "score")))
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Of the form; with ``dimensions`` the mean over the widths."""
        if self._objective == "tsdae":
            return self._rebuilt(model, batch)
        inputs = self.model_inputs(batch)
        vectors = _contrastive.encoded(model, inputs, self.at_once if self.couples_examples else None)
        compared = _contrastive.Compared(vectors, batch["numbers"], batch["key"], batch.get("score"))
        with torch.autocast(vectors.device.type, enabled=False):  # cosines in half precision would be too coarse
            return Loss(self._loss(compared), len(vectors))

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """``vector`` (rows, width); to score ``cosine`` (rows,) of scored pairs, else ``partners`` too."""
        vectors = _contrastive.encoded(model, self.model_inputs(batch), None).float()
        if vectors.shape[1] == 1:
            return {"vector": vectors[:, 0].cpu().numpy()}
        if self.form == "scored-pairs":
            cosine = torch.nn.functional.cosine_similarity(vectors[:, 0], vectors[:, 1], dim=-1)
            return {"cosine": cosine.clamp(-1, 1).cpu().numpy()}
        return {"vector": vectors[:, 0].cpu().numpy(), "partners": vectors[:, 1:].cpu().numpy()}

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[VectorPrediction]:
        """The vectors."""
        return [VectorPrediction(vector) for vector in outputs["vector"]]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """``Similarity`` of scored pairs; else ``Search``, which becomes ``Retrieval``."""
        if self.form == "scored-pairs":
            return Similarity(outputs["cosine"], _row_texts.scalar(examples, "score"))
        asked = _row_texts.questions(examples, self.form)
        vector = outputs["vector"]
        fields = {name: getattr(asked, name) for name in ("key", "own", "numbers", "positive", "among_themselves")}
        return Search(vector, outputs.get("partners", vector[:, None]), **fields)

    def comparable(self, base: Base) -> TaskOnBase:
        """What baselines are given: the task with its base."""
        return TaskOnBase(self, base)

    def embedder(self, base: Base) -> TextEmbedder:
        """Queries are read as ``text``, passages as its partners."""
        prompts = self._prompts(base)
        passage = replace(self, prompt=prompts.partner, partner_prompt=prompts.partner)
        ahead = len(_tokens.starts([prompts.partner], base)[0])
        special = base.processor.num_special_tokens_to_add()
        return TextEmbedder(self, passage, base, max(1, self._limit(base) - special - ahead))

    @property
    def _form(self) -> Form:
        return FORMS[self.form]

    @property
    def _objective(self) -> LossName:
        return self._form.losses[0] if self.objective == "auto" else self.objective

    @cached_property
    def _loss(self) -> _contrastive.VectorLoss:
        made: _contrastive.VectorLoss
        if self._objective == "cosent":
            made = _contrastive.CoSENT(self.scale)
        elif self._objective == "mse":
            made = _contrastive.MeanSquares()
        elif self._objective == "triplet":
            made = _contrastive.Triplet(self.margin)
        else:
            made = _contrastive.InBatch(self.scale, self.symmetric)
        return _contrastive.Matryoshka(made, self.dimensions) if self.dimensions else made

    def _limit(self, base: Base) -> int:
        return _tokens.limit(base, self.length, _LENGTH)

    def _prompts(self, base: Base) -> Prompts:
        return Prompts.of_base(base.card, self.prompt, self.partner_prompt, asymmetric=self._form.asymmetric)

    def _parts(self, purpose: Purpose) -> bool:
        """Whether the first text of each row loses tokens."""
        if self.form != "texts" or purpose == "predict":
            return False
        return purpose == "score" or self._objective == "tsdae"

    def _places(self, examples: pa.Table, rng: np.random.Generator, purpose: Purpose) -> np.ndarray:
        """(rows, texts) which texts of each row are read."""
        rows, held = examples.num_rows, _row_texts.texts_per_row(examples)
        if purpose == "predict" or (self.form == "classes" and purpose == "score"):
            return np.zeros((rows, 1), dtype=np.int64)
        if self.form == "classes" and held > 1:
            return np.stack([np.zeros(rows, dtype=np.int64), rng.integers(1, held, size=rows)], axis=1)
        if self.form == "texts":
            single = self._objective == "tsdae" and purpose == "train"
            return np.zeros((rows, 1 if single else 2), dtype=np.int64)
        return np.tile(np.arange(held), (rows, 1))

    def _scaled(self, scores: np.ndarray) -> np.ndarray:
        low, high = self.scores or (0.0, 1.0)
        return np.asarray((scores - low) / (high - low), dtype=np.float32)

    def _rebuilt(self, model: torch.nn.Module, batch: Batch) -> Loss:
        found = model(**{name: tensor[:, :1] for name, tensor in self.model_inputs(batch).items()})
        words = model.get_input_embeddings().weight  # type: ignore[operator]  # every transformers model has it
        decoder: Any = model.decoder
        rebuilt: Loss = decoder(found.pooled[:, 0], batch["target"], words)
        return rebuilt


def _texts(table: pa.Table, name: str) -> list[str]:
    refuse_null(table, name, "a text (an empty one is allowed)")
    found: list[str] = table[name].to_pylist()
    return found
