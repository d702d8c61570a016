from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from tokenizers.processors import Sequence
from transformers import BertConfig, GPT2Config, RobertaConfig

from dianji.errors import CapabilityError
from dianji.tasks import _tokens

LISTS = [[5, 6, 7], [], [8], [9, 10]]


def slow_padding(rows, fill):
    width = max((len(row) for row in rows), default=0)
    return [row + [fill] * (width - len(row)) for row in rows]


@pytest.mark.parametrize("kind", [pa.large_list(pa.int32()), pa.list_(pa.int64())])
def test_padding_equals_the_slow_way(kind):
    column = pa.chunked_array([pa.array(LISTS[:1], kind), pa.array(LISTS[1:], kind)])
    for part in (column, column.slice(1, 2), column.take(pa.array([3, 0])), column.slice(0, 0), column.slice(1, 1)):
        grid, real = _tokens.padded(part, 99)
        rows = part.to_pylist()
        assert grid.tolist() == slow_padding(rows, 99)
        assert real.sum(axis=1).tolist() == [len(row) for row in rows]
        assert grid.dtype == np.int64


@pytest.mark.parametrize(("kind", "tokens"), [(BertConfig, 32), (GPT2Config, 32), (RobertaConfig, 32)])
def test_the_longest_text_is_the_smaller_of_positions_and_tokenizer(toy, kind, tokens):
    base = toy(kind)  # RoBERTa's toy has 33 positions, the first of which it never uses
    unlimited = replace(base, processor=SimpleNamespace(model_max_length=10**30))
    assert _tokens.longest(base) == _tokens.longest(unlimited) == tokens
    assert _tokens.longest(replace(base, processor=SimpleNamespace(model_max_length=20))) == 20


def test_default_length_bends_to_the_base_and_a_wish_does_not(bert):
    assert _tokens.limit(bert, None, 256) == 32
    assert _tokens.limit(bert, None, 8) == 8
    assert _tokens.limit(bert, 16, 8) == 16
    with pytest.raises(CapabilityError, match="length 40 does not fit base 'toy': expected 3 to 32"):
        _tokens.limit(bert, 40, 8)


def test_an_empty_text_has_a_token_even_without_special_ones(bert):
    plain = bert.processor.__class__(vocab=bert.processor.get_vocab())
    plain.backend_tokenizer.post_processor = Sequence([])
    base = replace(bert, processor=plain)
    found, whole = _tokens.beginnings(["", "my card"], base, 8)
    assert [len(tokens) for tokens in found.tokens] == [1, 2]
    assert whole.tolist() == [1, 2]
    both = _tokens.windows(["", "my card"], base, 8, words=True)
    assert both.words is not None
    assert both.words.to_pylist() == [[-1], [0, 1]]


def test_how_long_a_text_is_that_was_cut(bert):
    texts = ["where is my card how do i pay", "pay", " ".join(["card"] * 23)]
    found, whole = _tokens.beginnings(texts, bert, 5)
    assert [len(tokens) for tokens in found.tokens] == [5, 3, 5]
    assert whole.tolist() == [len(tokens) for tokens in bert.processor(texts)["input_ids"]]


def test_many_texts_are_encoded_in_parts(bert, monkeypatch):
    texts = ["where is my card how do i pay", "pay", "", "cash from the bank"] * 2
    whole = _tokens.windows(texts, bert, 5, words=True)
    monkeypatch.setattr(_tokens, "_CHARACTERS", 12)
    parts = _tokens.windows(texts, bert, 5, words=True)
    assert parts.words is not None
    assert parts.table(words=parts.words).equals(whole.table(words=whole.words))
    assert _tokens.beginnings([], bert, 5)[0].table().num_rows == 0


def test_a_slow_tokenizer_is_refused(bert):
    base = replace(bert, processor=SimpleNamespace(is_fast=False))
    with pytest.raises(CapabilityError, match="no fast version"):
        _tokens.beginnings(["a"], base, 8)
