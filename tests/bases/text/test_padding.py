"""A tokenizer without a padding token pads with its last token, here and in other libraries."""

from __future__ import annotations

from transformers import AutoTokenizer

from dianji.bases.processors.tokenizer import Tokenizer
from dianji.testing import families


def test_the_last_token_pads_where_there_is_none(tmp_path):
    base = families.gpt2()
    assert base.processor.pad_token is None
    base.processor.save_pretrained(tmp_path / "base")
    opened = Tokenizer().open(tmp_path / "base")
    assert opened.pad_token == opened.eos_token == base.processor.eos_token
    Tokenizer().save(opened, tmp_path / "saved")
    rows = AutoTokenizer.from_pretrained(tmp_path / "saved")(["a", "a longer text"], padding=True)
    assert len({len(row) for row in rows["input_ids"]}) == 1
    assert [sum(row) for row in rows["attention_mask"]] == [
        len(opened(text)["input_ids"]) for text in ("a", "a longer text")
    ]
    assert len(opened) == len(base.processor), "no token is added"


def test_a_padding_token_is_kept(tmp_path):
    families.bert().processor.save_pretrained(tmp_path)
    assert Tokenizer().open(tmp_path).pad_token == "[PAD]"
