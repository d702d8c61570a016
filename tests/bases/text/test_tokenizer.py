from __future__ import annotations

import json
import subprocess
import sys

import pytest
from transformers import AutoTokenizer

from dianji.bases.text._tokenizer import SPECIAL, train_tokenizer
from dianji.errors import DataError

ENGLISH = ["Where is my card?", "I lost my card, naïvely.", "How do I pay abroad: in cash or by card?"] * 8
CHINESE = ["我的银行卡丢了，怎么办？", "请问 iPhone 14 有货吗", "ＡＰＰ打不开了！"] * 8
KINDS = ["wordpiece", "bpe", "unigram", "characters"]


def train(texts, kind, vocabulary=400, *, lowercase=True):
    return train_tokenizer(texts, kind, vocabulary, 32, lowercase=lowercase)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_what_was_seen_is_never_unknown(kind, texts):
    tokenizer = train(texts, kind)
    for text in texts[:3]:
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)
        assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
        assert "[UNK]" not in tokens


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_first(kind):
    tokenizer = train(ENGLISH, kind)
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == [0, 1, 2, 3, 4]
    roles = [tokenizer.pad_token, tokenizer.unk_token, tokenizer.cls_token, tokenizer.sep_token, tokenizer.mask_token]
    assert roles == list(SPECIAL)
    assert tokenizer.model_max_length == 32


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "characters"])
@pytest.mark.parametrize("vocabulary", [16, 40, 100])
def test_the_vocabulary_keeps_its_limit(kind, vocabulary):
    assert len(train(ENGLISH + CHINESE, kind, vocabulary)) <= vocabulary


def test_bytes_keep_their_limit_too():
    assert len(train(ENGLISH, "bpe", 270)) == 270


@pytest.mark.parametrize("kind", KINDS)
def test_case_counts_on_request(kind):
    lower, upper = (train(ENGLISH, kind, lowercase=value)("card CARD").input_ids for value in (True, False))
    half = len(lower) // 2
    assert lower[1:half] == lower[half:-1]
    assert len(set(upper)) > len(set(lower))


def test_a_pair_is_separated():
    tokenizer = train(ENGLISH, "wordpiece")
    assert tokenizer.decode(tokenizer("my card", "in cash").input_ids) == "[CLS] my card [SEP] in cash [SEP]"


def test_characters_of_words_stay_together_in_word_ids():
    encoding = train(CHINESE, "characters")("银行iPhone 14")
    tokens = train(CHINESE, "characters").convert_ids_to_tokens(encoding.input_ids)
    assert tokens[1:-1] == ["银", "行", "i", "##p", "##h", "##o", "##n", "##e", "1", "##4"]
    assert encoding.word_ids()[1:-1] == [0, 1, 2, 2, 2, 2, 2, 2, 3, 3]


def test_full_width_letters_are_letters():
    tokenizer = train(CHINESE, "characters")
    assert tokenizer("ＡＰＰ").input_ids == tokenizer("app").input_ids


def test_an_unknown_character_is_one_unknown_token():
    tokenizer = train(CHINESE, "characters")
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("银鑫行").input_ids)
    assert tokens[1:-1] == ["银", "[UNK]", "行"]


def test_the_most_frequent_characters_are_kept():
    tokenizer = train(["的的的的一一一是是了"] * 3, "characters", 7)
    assert tokenizer.convert_ids_to_tokens([5, 6]) == ["的", "一"]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (CHINESE, "characters"),
        (ENGLISH, "wordpiece"),
        (["カードをなくしました。どうすればいいですか"] * 3, "characters"),
        (["I like 北京", "and Shanghai"], "wordpiece"),
        (["12345", "678"], "wordpiece"),
    ],
)
def test_auto_goes_by_the_script(texts, kind):
    chosen, expected = (train(texts, name).backend_tokenizer.to_str() for name in ("auto", kind))
    assert chosen == expected


@pytest.mark.parametrize("texts", [[], [""], ["  ", "\n"]])
def test_nothing_to_learn_from(texts):
    with pytest.raises(DataError, match="there is no text to train a tokenizer on"):
        train(texts, "auto")


OTHER_PROCESS = """
import json, sys
import dianji.bases.models
from dianji.bases.text._tokenizer import train_tokenizer
from transformers import AutoTokenizer
request = json.load(sys.stdin)
answer = {}
for kind, folder in request["folders"].items():
    trained = train_tokenizer(request["texts"], kind, 400, 32, lowercase=True)
    opened = AutoTokenizer.from_pretrained(folder)
    answer[kind] = [trained.backend_tokenizer.to_str(), opened(request["texts"]).input_ids]
print(json.dumps(answer))
"""


def test_another_process_trains_the_same_bytes_and_reads_the_same_ids(tmp_path, toy_base):
    words = [f"{a}{b}{c}{d}" for a in "abcde" for b in "xyz" for c in "uvw" for d in ("", "st", "ing", "eds")]
    texts = [" ".join(words[number::7]) for number in range(7)] + ENGLISH + CHINESE
    tokenizers = {kind: train(texts, kind) for kind in KINDS}
    for kind, tokenizer in tokenizers.items():
        tokenizer.save_pretrained(tmp_path / kind)
        toy_base.config.save_pretrained(tmp_path / kind)  # AutoTokenizer looks at the architecture
    request = {"texts": texts, "folders": {kind: str(tmp_path / kind) for kind in KINDS}}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    for kind, tokenizer in tokenizers.items():
        trained, ids = answer[kind]
        assert trained == tokenizer.backend_tokenizer.to_str(), kind
        assert ids == tokenizer(texts).input_ids, kind


def test_saving_twice_gives_the_same_files(tmp_path):
    tokenizer = train(CHINESE, "characters")
    tokenizer.save_pretrained(tmp_path / "a")
    AutoTokenizer.from_pretrained(tmp_path / "a").save_pretrained(tmp_path / "b")
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (tmp_path / "b" / "tokenizer.json").read_bytes()
