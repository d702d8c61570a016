from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast

from dianji.tasks._word_windows import BEGINS, ENDS, word_windows
from dianji.tasks._words import joined, passage
from dianji.testing import toys

WORDS = ("card", "my", "refund", "zzz", "is")


def words_of(windows, base):
    """The tokens at ``firsts``, window by window."""
    ids = [row.as_py() for row in windows.tokens]
    return [
        [base.processor.convert_ids_to_tokens(row[first]) for first in firsts.as_py()]
        for row, firsts in zip(ids, windows.firsts, strict=True)
    ]


@given(
    st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=3),
    st.integers(3, 8),
    st.integers(0, 9),
)
def test_every_word_is_owned_by_one_window(rows, length, overlap):
    base = toys.text_base()
    windows = word_windows([joined(row) for row in rows], base, length, overlap)
    assert max(len(row) for row in windows.tokens.to_pylist()) <= length
    for row, words in enumerate(rows):
        mine = np.flatnonzero(windows.rows == row)
        owned = windows.owned[mine].tolist()
        assert owned[0][0] == 0
        assert owned[-1][1] == len(words)
        assert all(before[1] == after[0] for before, after in pairwise(owned))
        assert bool(windows.edges[mine[0]] & BEGINS)
        assert bool(windows.edges[mine[-1]] & ENDS)
        if words:
            assert windows.edges[mine].tolist().count(0) == max(0, len(mine) - 2)
        found = [word for window in mine for word in words_of(windows, base)[window]]
        known = set(toys.vocabulary())
        assert found == [word if word in known else "[UNK]" for word in words]


def test_neighbours_share_words_and_own_the_half_that_they_see_best():
    windows = word_windows([joined(["card"] * 12)], toys.text_base(), 8, 4)
    assert [len(row) for row in windows.tokens.to_pylist()] == [8, 8, 8, 8]
    assert windows.owned.tolist() == [[0, 4], [4, 6], [6, 8], [8, 12]]


def test_what_stands_for_special_tokens_is_text():
    base = toys.text_base()
    for word in base.processor.all_special_tokens:
        (row,) = word_windows([joined([word, "card"])], base, 16, 0).tokens.to_pylist()
        inside = row[1:-1]
        special = set(base.processor.all_special_ids) - {base.processor.unk_token_id}
        assert not special & set(inside), word


def test_a_word_without_tokens_is_the_unknown_one():
    base = toys.text_base()
    windows = word_windows([joined(["card", "\u200d", "", "my"])], base, 16, 0)
    assert words_of(windows, base) == [["card", "[UNK]", "[UNK]", "my"]]


def test_a_word_that_is_longer_than_a_window_is_read_by_its_beginning(tmp_path):
    base = byte_level_base()
    windows = word_windows([joined(["a", "b" * 50, "c"])], base, 8, 4)
    assert windows.owned.tolist()[-1][1] == 3
    assert max(map(len, windows.tokens.to_pylist())) <= 8


def byte_level_base():
    """A tokenizer that writes spaces into its tokens, and adds no special ones."""
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(["a card", "my card"] * 4, vocab_size=265, show_progress=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, model_max_length=32, eos_token="<|end|>")
    base = toys.decoder_base()
    return type(base)(base.card, base.config, fast)


def test_a_byte_level_tokenizer_reads_words_as_they_stand_in_the_text():
    base = byte_level_base()
    text = "my card, card"
    (row,) = word_windows([passage(text)], base, 30, 0).tokens.to_pylist()
    assert row == base.processor(f" {text}", add_special_tokens=False)["input_ids"]


def test_a_row_without_words_still_has_a_window():
    windows = word_windows([joined([])], byte_level_base(), 8, 2)
    assert [len(row) for row in windows.tokens.to_pylist()] == [1]
    assert windows.edges.tolist() == [BEGINS | ENDS]
