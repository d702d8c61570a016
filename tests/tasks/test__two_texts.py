from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis.strategies import integers
from transformers import PreTrainedTokenizerFast

from dianji.errors import CapabilityError, DataError
from dianji.tasks._two_texts import longest_first, two_texts
from dianji.testing import families, toys

SIDES = ("text", "other")


def pairs(*rows):
    return pa.table({"text": [one for one, _ in rows], "other": [other for _, other in rows]})


def read(table, base, length=None):
    return two_texts(table, SIDES, base, length, 256)


@pytest.mark.parametrize("length", [5, 6, 7, 8, 9, 12, 32])
def test_pairs_are_those_of_transformers(length):
    """The oracle: template, token types and truncation of the base's own tokenizer."""
    base, table = toys.text_base(), toys.related_table()
    found = read(table, base, length)
    sides = [table[name].to_pylist() for name in SIDES]
    expected = base.processor(*sides, truncation="longest_first", max_length=length)
    assert found.tokens.to_pylist() == expected["input_ids"]
    assert found.types is not None
    assert found.types.to_pylist() == expected["token_type_ids"]
    assert found.whole.tolist() == [len(ids) for ids in base.processor(*sides)["input_ids"]]


@pytest.mark.parametrize("length", [9, 15, 32])
def test_pairs_of_a_decoder_are_cut_too(length):
    """Its template with a separator cannot join texts that the tokenizer has cut."""
    found = read(pairs(("the parcel is late", "where is it"), ("a", "b")), families.gpt2(), length)
    assert [len(ids) for ids in found.tokens.to_pylist()] == [min(length, 30), 3]
    assert found.whole.tolist() == [18 + 1 + 11, 3]


@given(one=integers(1, 30), other=integers(1, 30), room=integers(2, 40))
def test_the_longer_text_is_cut_first(one, other, room):
    kept = longest_first(one, other, room)
    assert sum(kept) == min(room, one + other)
    assert kept[0] <= one
    assert kept[1] <= other
    for mine, whole, beside in ((kept[0], one, kept[1]), (kept[1], other, kept[0])):
        assert mine == whole or mine >= beside - 1, "a text was cut although it was the shorter one"


def test_a_separator_comes_where_the_template_has_none():
    base = families.gpt2()
    found = read(pairs(("my card", "cash")), base)
    assert base.processor.decode(found.tokens[0].as_py()) == "my card<|endoftext|>cash"
    assert found.types is None
    assert base.processor("my card", "cash")["input_ids"] == found.tokens[0].as_py(), "others join texts in another way"
    assert base.processor.decode(base.processor("my card")["input_ids"]) == "my card", "single texts have changed"


def test_the_separator_is_saved(tmp_path):
    base = families.roberta()
    tokens = read(pairs(("my card", "cash")), base).tokens[0].as_py()
    base.processor.save_pretrained(tmp_path)
    opened = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert opened("my card", "cash")["input_ids"] == tokens
    assert opened("my card")["input_ids"] == base.processor("my card")["input_ids"]


def test_no_token_could_separate():
    base = families.gpt2()
    base.processor.eos_token = None
    with pytest.raises(CapabilityError, match="puts nothing between two texts"):
        read(pairs(("my card", "cash")), base)


def test_special_tokens_that_a_text_spells_out_are_text():
    base = toys.text_base()
    (tokens,) = read(pairs(("card [SEP] cash", "refund")), base).tokens.to_pylist()
    assert tokens.count(base.processor.sep_token_id) == 2


def test_a_base_without_token_types_gets_none():
    base = toys.text_base()
    single = replace(base, config=type(base.config)(**{**base.config.to_dict(), "type_vocab_size": 1}))
    assert read(toys.related_table(), single).types is None


def test_a_side_of_which_nothing_is_read_is_refused():
    table = pairs(("my card", "cash"), ("my card", "\x00\u200b"))
    table = table.append_column("__source__", [["a.csv, line 2", "a.csv, line 3"]])
    with pytest.raises(DataError, match=r"a\.csv, line 3: column 'other' holds .* reads nothing"):
        read(table, toys.text_base())


@pytest.mark.parametrize("length", [4, 33])
def test_a_length_that_does_not_fit_is_refused(length):
    with pytest.raises(CapabilityError, match=f"length {length} does not fit base .* expected 5 to 32 tokens"):
        read(toys.related_table(), toys.text_base(), length)
