"""Special tokens in texts, over every special token of every family of tokenizers, new ones and a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dianji.bases.base import Base, BaseSource
from dianji.bases.e5 import E5
from dianji.bases.minilm import MiniLM
from dianji.bases.scratch import ScratchBase
from dianji.bases.starters import STARTERS
from dianji.bases.text.transformer import Transformer
from dianji.engine.inference import Inference
from dianji.tasks import _special, _tokens
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.testing import families, toys

LENGTH = 32


def new(kind: str) -> Base:
    made = Transformer(layers=1, width=16, heads=2, length=LENGTH, tokenizer=kind, vocabulary=400)  # type: ignore[arg-type]
    return ScratchBase(made, seed=0).prepare(toys.text_table())


@cache
def bases() -> Mapping[str, Callable[[], Base]]:
    texts = {name: make for name, make in families.FAMILIES.items() if make().card.modality == "text"}
    made = {f"new {kind}": partial(new, kind) for kind in ("wordpiece", "bpe", "unigram", "characters")}
    starters: dict[str, type[BaseSource]] = {"minilm": MiniLM, "e5": E5}
    there = {starter.card.name for starter in STARTERS if starter.is_installed}
    real = {name: partial(starters[name]().prepare, toys.text_table()) for name in sorted(there)}
    return {**texts, **made, **real}


@cache
def base_of(name: str) -> Base:
    return bases()[name]()


def special(base: Base) -> dict[str, int]:
    """Token -> number; -1 for the unknown token, whose number also stands for whatever is not known."""
    tokenizer = base.processor
    numbers = {token: tokenizer.convert_tokens_to_ids(token) for token in tokenizer.all_special_tokens}
    if len(numbers) > 1:  # GPT-2's one token plays every part
        numbers[tokenizer.unk_token] = -1
    return numbers


def inside(ids: list[int], base: Base) -> list[int]:
    """Without the tokens that the tokenizer puts around every text."""
    around = len(base.processor("")["input_ids"])
    return ids[around // 2 : len(ids) - (around - around // 2)]


words = st.lists(st.sampled_from(["where", "is", "my", "card", "a", "。", "", "12"]), max_size=3).map(" ".join)


@pytest.mark.parametrize("name", bases())
@given(data=st.data(), left=words, right=words, glue=st.sampled_from(["", " "]))
def test_what_a_text_spells_out_is_text(name: str, data: st.DataObject, left: str, right: str, glue: str) -> None:
    base = base_of(name)
    tokens = special(base)
    text = glue.join([left, data.draw(st.sampled_from(sorted(tokens))), right])
    numbers = set(tokens.values())
    found, whole = _tokens.beginnings([text], base, LENGTH)
    (ids,) = found.tokens.to_pylist()
    assert not numbers & set(inside(ids, base)), text
    for window in _tokens.windows([text], base, LENGTH).tokens.to_pylist():
        assert not numbers & set(inside(window, base)), text
    assert whole[0] >= len(ids)


@pytest.mark.parametrize("name", bases())
def test_other_texts_are_read_as_ever(name: str) -> None:
    base = base_of(name)
    texts = ["", "where is my card?", "I lost IT, today", "我的卡在哪里", "<b>hi</b> [x] | \t"]
    found = _tokens.beginnings(texts, base, LENGTH)[0].tokens.to_pylist()
    usual = base.processor(texts, truncation=True, max_length=LENGTH)["input_ids"]
    assert found == [ids or [base.processor.eos_token_id] for ids in usual]


@pytest.mark.parametrize("name", [name for name in bases() if name != "gpt2"])
def test_a_task_may_ask_for_one_of_them(name: str) -> None:
    """Masks are filled in; all others stay text."""
    base = base_of(name)
    mask, mask_id = base.processor.mask_token, base.processor.mask_token_id
    others = {number for number in special(base).values() if number not in (-1, mask_id)}
    text = " ".join(["my", mask, *sorted(set(base.processor.all_special_tokens) - {mask})])
    (ids,) = MaskedLanguage().encode(pa.table({"text": [text]}), base)["input_ids"].to_pylist()
    read = inside(ids, base)
    assert read.count(mask_id) == 1
    assert not others & set(read)


def test_numbers_do_not_change() -> None:
    base = base_of("xlm-roberta")
    reader = _special._reader(base.processor, ())
    assert reader is not base.processor
    assert reader("my card")["input_ids"] == base.processor("my card")["input_ids"]


@pytest.mark.parametrize("name", ["bert-mean", "roberta", "new wordpiece"])
def test_fast_layers_give_the_same(name: str) -> None:
    """Padding, packing and the table of the words that occur know no token of a text as theirs."""
    base = base_of(name)
    task = TextClassification(pooling="mean").fit(toys.text_table())
    torch.manual_seed(0)
    model = task.model(base).model
    texts = [f"my {token} card {token}" for token in special(base)] + ["my card", ""]
    examples = task.encode(pa.table({"text": texts}), base)
    outputs: dict[str, Any] = {}
    for precision in ("fp32", "bf16"):
        batch = task.collate(examples, base, np.random.default_rng(0), purpose="predict")
        with Inference(model, precision).on():
            outputs[precision] = task.outputs(model, batch)["logits"]
    np.testing.assert_allclose(outputs["bf16"], outputs["fp32"], atol=0.05)
