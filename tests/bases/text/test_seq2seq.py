import json
from typing import Any

import pyarrow as pa
import pytest
from transformers import AutoTokenizer

from dianji.bases.text._joint import train_joint_tokenizer
from dianji.bases.text.seq2seq import Seq2Seq
from dianji.errors import DataError, RecipeError
from dianji.tasks.text_to_text import TextToText
from dianji.testing import toys

TEXTS = [
    "Two young, White males are outside.",
    "Zwei junge weiße Männer sind „draußen“.",
    "我喜欢吃苹果，你呢？（是的）",
    "Ｆｕｌｌ ｗｉｄｔｈ… stays",
]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_what_is_read_can_be_written_again(kind):
    tokenizer: Any = train_joint_tokenizer(TEXTS * 3, kind, 600, 64)
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text


def test_bytes_know_every_character():
    tokenizer: Any = train_joint_tokenizer(["a b"], "bpe", 300, 64)
    ids = tokenizer("👩 饕餮")["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "👩 饕餮"


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_same_texts_give_the_same_tokenizer(kind, tmp_path):
    saved = []
    for name in ("first", "second"):
        train_joint_tokenizer(TEXTS * 3, kind, 400, 64).save_pretrained(tmp_path / name)
        saved.append((tmp_path / name / "tokenizer.json").read_text())
    assert saved[0] == saved[1]
    assert AutoTokenizer.from_pretrained(tmp_path / "first").eos_token == "[SEP]"
    assert len(json.loads(saved[0])["model"]["vocab"]) <= 400


def test_both_sides_are_learnt_from():
    table = pa.table({"text": ["aaaa aaaa"], "target": ["bbbb bbbb"]})
    base = Seq2Seq(vocabulary=264, layers=1, width=8, heads=2).prepare(TextToText().corpus(table), 0)
    for word in ("aaaa", "bbbb"):
        assert len(base.processor(word)["input_ids"]) < len(word) + 1


def test_one_table_serves_both_sides_and_the_output():
    base = toys.seq2seq_base()
    model: Any = TextToText().fit(toys.pairs_table()).model(base).model
    tables = {id(module.weight) for module in (model.model.shared, model.lm_head, model.model.decoder.embed_tokens)}
    assert len(tables) == 1


def test_faults_are_told():
    with pytest.raises(RecipeError, match="width 30 cannot be shared by 4 heads"):
        Seq2Seq(width=30).card()
    with pytest.raises(DataError, match="no text to train a tokenizer on"):
        train_joint_tokenizer(["", " "], "bpe", 300, 64)
