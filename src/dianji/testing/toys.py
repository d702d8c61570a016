"""Toys: 24 rows, three labels, bases of two layers, sixteen wide, built in memory without network."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from dianji.bases.base import Base, Card
from dianji.bases.text.seq2seq import Seq2Seq
from dianji.data.columns._turns import TURN, turn
from dianji.evaluate.answered import Answered, as_bytes
from dianji.evaluate.conversed import Conversed
from dianji.evaluate.generated import Generated
from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.modelled import Modelled
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.ragged import Ragged, offsets_of
from dianji.evaluate.ranked import Retrieval
from dianji.evaluate.regressed import Regressed
from dianji.evaluate.similar import Similarity
from dianji.evaluate.spans import SURE, Spans
from dianji.tasks.base import TaskModel
from dianji.tasks.text_classification import TextClassification

T = TypeVar("T", bound=Outcome)

LABELS = ("card", "cash", "refund")
SIDE = 16  # pixels
_PHRASES = ("where is my {}", "i lost the {} today", "please help me with a {}", "my {} is late again")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def text_table() -> pa.Table:
    """24 different questions, 8 for each of three labels: ``text``, ``label``."""
    texts = [f"{phrase.format(label)}{tail}" for tail in ("", " please") for phrase in _PHRASES for label in LABELS]
    return pa.table({"text": texts, "label": [label for _ in range(8) for label in LABELS]})


def tagged_table() -> pa.Table:
    """The same questions with any number of labels each: ``text``, ``labels`` (a list)."""
    table = text_table()
    first = table["label"].to_pylist()
    labels = [[label] if row % 4 else [label, LABELS[row % 3]] for row, label in enumerate(first)]
    return pa.table({"text": table["text"], "labels": [sorted(set(several)) for several in labels]})


def question_table() -> pa.Table:
    """24 questions: ``question``, ``context`` (two texts of ``text_table``), ``answers`` (its last word; some none)."""
    texts = text_table()["text"].to_pylist()
    rows = []
    for row, text in enumerate(texts):
        context = f"{texts[(row + 7) % len(texts)]} {text}"
        word = text.split()[-1]
        answers = [] if row % 6 == 5 else [{"text": word, "start": context.rindex(word)}]
        rows.append({"question": f"where is {word}" if row % 2 else word, "context": context, "answers": answers})
    kinds = {"answers": pa.list_(pa.struct([("text", pa.string()), ("start", pa.int64())]))}
    schema = pa.schema([("question", pa.string()), ("context", pa.string()), ("answers", kinds["answers"])])
    return pa.Table.from_pylist(rows, schema)


def tokens_table() -> pa.Table:
    """The questions of ``text_table`` as words, in which each label's word is a span: ``tokens``, ``tags`` (BIO)."""
    words = [text.split() for text in text_table()["text"].to_pylist()]
    tags = [[f"B-{word}" if word in LABELS else "O" for word in row] for row in words]
    return pa.table({"tokens": words, "tags": tags})


def spans_table() -> pa.Table:
    """The same as texts with places of characters: ``text``, ``spans``."""
    texts: list[str] = text_table()["text"].to_pylist()
    labels: list[str] = text_table()["label"].to_pylist()
    starts = [text.index(label) for text, label in zip(texts, labels, strict=True)]
    spans = [
        [{"start": start, "end": start + len(label), "label": label}]
        for start, label in zip(starts, labels, strict=True)
    ]
    return pa.table({"text": texts, "spans": spans})


def pairs_table() -> pa.Table:
    """The same questions beside their words in reverse: ``text``, ``target``."""
    texts = text_table()["text"].to_pylist()
    return pa.table({"text": texts, "target": [" ".join(reversed(text.split())) for text in texts]})


def pair_table() -> pa.Table:
    """24 questions, each with the same question asked otherwise: ``text``, ``positive``."""
    texts = text_table()["text"].to_pylist()
    return pa.table({"text": texts, "positive": [f"please {text}".replace(" please", "") for text in texts]})


def scored_table() -> pa.Table:
    """24 pairs of questions: ``text``, ``other``, ``score`` (their share of common words, from 0 to 5)."""
    texts = text_table()["text"].to_pylist()
    others = [texts[(row * 7 + 3) % 24] for row in range(24)]
    words = [({*text.split()}, {*other.split()}) for text, other in zip(texts, others, strict=True)]
    scores = [round(5 * len(one & two) / len(one | two), 2) for one, two in words]
    return pa.table({"text": texts, "other": others, "score": pa.array(scores, pa.float64())})


def related_table() -> pa.Table:
    """24 pairs of questions: ``text``, ``other``, ``label`` (same: asked otherwise; different: about a refund)."""
    pairs = pair_table()
    same = [row % 2 == 0 for row in range(24)]
    others = [
        pairs["positive"][row].as_py() if one else pairs["text"][2 + 3 * (row // 3)].as_py()
        for row, one in enumerate(same)
    ]
    labels = ["same" if one else "different" for one in same]
    return pa.table({"text": pairs["text"], "other": others, "label": labels})


def rated_table() -> pa.Table:
    """24 questions with two numbers: ``text``, ``words`` (how many it has) and ``price`` (of what it is about)."""
    texts, labels = text_table()["text"].to_pylist(), text_table()["label"].to_pylist()
    words = pa.array([float(len(text.split())) for text in texts])
    return pa.table({"text": texts, "words": words, "price": [100.0 * (1 + LABELS.index(label)) for label in labels]})


def triplet_table() -> pa.Table:
    """24 questions, each with a question like it and one unlike it: ``text``, ``positive``, ``negative``."""
    table = pair_table()
    negatives = [table["positive"][(row + 7) % 24].as_py() for row in range(24)]
    return table.append_column("negative", pa.array(negatives))


def messages_table() -> pa.Table:
    """24 conversations of one or two questions, answered by the last word of each: ``messages``."""
    rows: list[list[dict[str, Any]]] = []
    for row, text in enumerate(text_table()["text"].to_pylist()):
        asked = [text] if row % 3 else [text, "please help me today"]
        rows.append([turn(role, said) for of in asked for role, said in (("user", of), ("assistant", of.split()[-1]))])
    return pa.table({"messages": pa.array(rows, pa.list_(TURN))})


def image_table() -> pa.Table:
    """24 noisy pictures of 16 x 16 pixels, red, green or blue: ``image`` (PNG bytes), ``label``."""
    from PIL import Image  # the extra `vision`, needed by tests of images alone

    rng = np.random.default_rng(0)
    pictures, labels = [], []
    for row in range(24):
        channel = row % 3
        pixels = rng.integers(0, 80, size=(SIDE, SIDE, 3), dtype=np.uint8)
        pixels[:, :, channel] += 120
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        pictures.append(file.getvalue())
        labels.append(("red", "green", "blue")[channel])
    return pa.table({"image": pa.array(pictures, pa.binary()), "label": labels})


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word of ``text_table``, after the special tokens of BERT."""
    words = {word for text in text_table()["text"].to_pylist() for word in text.split()}
    return (*_SPECIAL, *sorted(words))


def text_base(width: int = 16) -> Base:
    """A new BERT, to be pooled by the mean, with a tokenizer of whole words."""
    size = {**_SIZE, "hidden_size": width, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(vocabulary()), max_position_embeddings=32, **size)
    return Base(Card("toy-text", "text", "bert", width, pretrained=False, pooling="mean"), config, _tokenizer())


def decoder_base() -> Base:
    """A new GPT-2 with the same tokenizer."""
    return Base(Card("toy-decoder", "text", "gpt2", 16, pretrained=False), _gpt2(), _tokenizer())


def seq2seq_base() -> Base:
    """A new encoder-decoder with a tokenizer for both sides of ``pairs_table``, without dropout."""
    return _seq2seq()


def image_base() -> Base:
    """A new ViT over four patches of a picture."""
    processor = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_convert_rgb=True)
    return Base(Card("toy-image", "image", "vit", 16, pretrained=False), _vit(), processor)


@dataclass(frozen=True)
class ToyModel:
    """A headed model with one batch for it."""

    model: TaskModel
    inputs: Mapping[str, Tensor]
    target: Tensor

    def logits(self) -> Tensor:
        """(rows, labels)."""
        found: Tensor = self.model.model(**self.inputs).logits
        return found

    def loss(self) -> Tensor:
        """Cross-entropy, a scalar with a gradient."""
        return torch.nn.functional.cross_entropy(self.logits(), self.target)


def pooled_bert() -> ToyModel:
    """A task's own wrapper: the backbone goes by ``backbone``, the head by ``classifier``."""
    torch.manual_seed(0)
    table = text_table()
    model = TextClassification(pooling="mean").fit(table).model(text_base())
    return ToyModel(model, _tokens(), _target())


def bert() -> ToyModel:
    """An architecture's own classifier, with a pooler between trunk and head."""
    model = _new(BertForSequenceClassification, text_base().config)
    return ToyModel(TaskModel(model, ("classifier",)), _tokens(), _target())


def gpt2() -> ToyModel:
    """A decoder: its linear layers are transposed, its head is called ``score``."""
    return ToyModel(TaskModel(_new(GPT2ForSequenceClassification, _gpt2()), ("score",)), _tokens(), _target())


def vit() -> ToyModel:
    """A transformer over patches."""
    return ToyModel(TaskModel(_new(ViTForImageClassification, _vit()), ("classifier",)), _pixels(), _target())


def resnet() -> ToyModel:
    """Convolutions, and norms with running statistics."""
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return ToyModel(TaskModel(_new(ResNetForImageClassification, config), ("classifier",)), _pixels(), _target())


#: Every shape of model that an adaptation or technique has to get along with.
MODELS: Mapping[str, Callable[[], ToyModel]] = {
    "pooled-bert": pooled_bert,
    "bert": bert,
    "gpt2": gpt2,
    "vit": vit,
    "resnet": resnet,
}


def outcome(kind: type[T], quality: float, rows: int = 60, seed: int = 0) -> T:
    """An outcome of that kind; ``quality`` 1 is perfect, 0 is guessing.

    Raises:
        TypeError: there is no toy of this kind.
    """
    if kind not in _OUTCOMES:
        raise TypeError(f"there is no toy outcome of the kind {kind.__name__}; override the contract's `outcome`")
    return cast(T, _OUTCOMES[kind](quality, rows, np.random.default_rng(seed)))


def _classified(quality: float, rows: int, rng: np.random.Generator) -> Classified:
    target = np.arange(rows) % len(LABELS)
    guessed = rng.dirichlet(np.ones(len(LABELS)), size=rows)
    mixed = quality * np.eye(len(LABELS))[target] + (1 - quality) * guessed
    return Classified(LABELS, target, mixed.astype(np.float32))


def _tagged(quality: float, rows: int, rng: np.random.Generator) -> Tagged:
    target = rng.random((rows, len(LABELS))) < 0.4
    mixed = quality * target + (1 - quality) * rng.random((rows, len(LABELS)))
    return Tagged(LABELS, target, mixed.astype(np.float32))


def _spans(quality: float, rows: int, rng: np.random.Generator) -> Spans:
    """Ten words a row; spans of one word at even places, some of which are given another label, or none."""
    gold, given = [], []
    for row in range(rows):
        places = np.arange(row % 4) * 2
        true = rng.integers(0, len(LABELS), len(places))
        guessed = np.where(rng.random(len(places)) < quality, true, rng.integers(0, len(LABELS), len(places)))
        found = rng.random(len(places)) < 0.5 + 0.5 * quality
        gold.append(np.column_stack([places, places + 1, true]))
        given.append(np.column_stack([places, places + 1, guessed])[found])
    tokens = np.full(rows, 10)
    hits = rng.binomial(tokens, 0.3 + 0.7 * quality)
    return Spans(LABELS, Ragged.of(gold), Ragged.of(given), tokens, hits, np.full(rows, SURE, dtype=np.float32))


def _modelled(quality: float, rows: int, rng: np.random.Generator) -> Modelled:
    tokens = rng.integers(3, 12, size=rows)
    nll = tokens * (1 - quality) * rng.uniform(1.0, 5.0, size=rows)
    return Modelled(nll, tokens, rng.binomial(tokens, 0.3 + 0.7 * quality))


def _answered(quality: float, rows: int, rng: np.random.Generator) -> Answered:
    unanswerable = rng.random(rows) < 0.2
    good = rng.random(rows) < quality
    exact = (good & ~unanswerable).astype(np.float64)
    f1 = np.where(exact > 0, 1.0, np.where(unanswerable, 0.0, rng.random(rows) * 0.9 * (quality > 0)))
    gap = np.where(good, np.where(unanswerable, 1.0, -1.0), rng.uniform(-1, 1, size=rows))
    texts = as_bytes(["card"] * rows)
    return Answered(exact, f1, unanswerable, gap, texts, texts, threshold=0.0)


def _generated(quality: float, rows: int, rng: np.random.Generator) -> Generated:
    references = [" ".join(rng.choice(vocabulary()[len(_SPECIAL) :], size=8)) for _ in range(rows)]
    kept = rng.random(rows) < quality  # whole texts; of the others words
    answers = [
        text if whole else " ".join(word if rng.random() < quality else "other" for word in text.split()[:-1])
        for text, whole in zip(references, kept, strict=True)
    ]
    return Generated.of(answers, references)


def _conversed(quality: float, rows: int, rng: np.random.Generator) -> Conversed:
    written = _generated(quality, rows, rng)
    lengths = rng.integers(1, 4, size=rows)
    offsets = offsets_of(lengths)
    tokens = rng.integers(2, 9, size=offsets[-1])
    nll = tokens * (1 - quality) * rng.uniform(1.0, 5.0, size=len(tokens))
    entries = np.repeat(np.arange(rows), lengths)
    of_rows = np.bincount(entries, weights=tokens, minlength=rows).astype(np.int64)
    return Conversed(
        written.answers,
        written.references,
        written.margin,
        np.bincount(entries, weights=nll, minlength=rows),
        of_rows,
        rng.binomial(of_rows, 0.3 + 0.7 * quality),
        Ragged(nll, offsets),
        Ragged(tokens, offsets),
    )


def _similarity(quality: float, rows: int, rng: np.random.Generator) -> Similarity:
    score = np.round(rng.uniform(0, 5, size=rows), 1)
    mixed = quality * (score / 5) + (1 - quality) * rng.uniform(-1, 1, size=rows)
    return Similarity(mixed.astype(np.float32), score)


def _regressed(quality: float, rows: int, rng: np.random.Generator) -> Regressed:
    truth = rng.uniform((0, -100), (5, 900), size=(rows, 2))
    guessed = rng.uniform((0, -100), (5, 900), size=(rows, 2))
    return Regressed(("score", "price"), truth, quality * truth + (1 - quality) * guessed, (1.4, 290.0))


def _retrieval(quality: float, rows: int, rng: np.random.Generator) -> Retrieval:
    wrong = np.full(rows, 50)
    above, tied = [], []
    for row in range(rows):
        right = 1 + row % 2
        above.append(np.sort(np.where(rng.random(right) < quality, 0, rng.integers(0, 50, size=right))))
        tied.append(np.where(above[-1] > 0, rng.integers(0, 2, size=right), 0))
    return Retrieval(Ragged.of(above), Ragged.of(tied), wrong)


_OUTCOMES: Mapping[type[Outcome], Callable[[float, int, np.random.Generator], Outcome]] = {
    Classified: _classified,
    Tagged: _tagged,
    Modelled: _modelled,
    Answered: _answered,
    Spans: _spans,
    Generated: _generated,
    Conversed: _conversed,
    Similarity: _similarity,
    Regressed: _regressed,
    Retrieval: _retrieval,
}
_SIZE: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


@cache
def _seq2seq() -> Base:
    toy = Seq2Seq(layers=2, width=16, heads=2, vocabulary=300, length=64, dropout=0.0)
    pairs = pairs_table()
    return toy.prepare(pa.table({"text": [*pairs["text"].to_pylist(), *pairs["target"].to_pylist()]}), 0)


def _vit() -> ViTConfig:
    return ViTConfig(image_size=SIDE, patch_size=SIDE // 2, intermediate_size=32, **_SIZE)


def _gpt2() -> GPT2Config:
    return GPT2Config(vocab_size=len(vocabulary()), n_embd=16, n_layer=2, n_head=2, n_positions=32, pad_token_id=0)


def _tokenizer() -> BertTokenizer:
    return BertTokenizer(vocab={word: number for number, word in enumerate(vocabulary())}, model_max_length=32)


def _new(kind: type[PreTrainedModel], config: PretrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    config.num_labels = len(LABELS)
    model: PreTrainedModel = kind(config).eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    return model


def _tokens() -> dict[str, Tensor]:
    encoded = text_base().processor(text_table()["text"].to_pylist()[:6], padding=True, return_tensors="pt")
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def _pixels() -> dict[str, Tensor]:
    return {"pixel_values": torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))[:, :, :SIDE, :SIDE]}


def _target() -> Tensor:
    return torch.arange(6) % len(LABELS)
