from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.tasks._words import joined, passage


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Where is my card?", ["Where", "is", "my", "card", "?"]),
        ("don't pay 3.50€", ["don", "'", "t", "pay", "3", ".", "50", "€"]),
        ("我在Bank of China工作。", ["我", "在", "Bank", "of", "China", "工", "作", "。"]),
        ("カード card", ["カ", "ー", "ド", "card"]),
        ("हिन्दी", ["हिन्दी"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("a\u200bb \ufeff", ["a", "b"]),
        ("👍🏽 ok ❤\ufe0f", ["👍", "🏽", "ok", "❤\ufe0f"]),
        ("@user #tag_1", ["@", "user", "#", "tag", "_", "1"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_one_rule_for_words(text, words):
    assert passage(text).words == words


def test_characters_one_by_one():
    assert passage("5pm, e\u0301", "characters").words == ["5", "p", "m", ",", "e\u0301"]


@given(st.text(max_size=30))
def test_words_stand_in_the_text_in_order_and_only_white_space_is_left(text):
    found = passage(text)
    places = list(zip(found.starts, found.ends, strict=True))
    assert all(start < end for start, end in places)
    assert places == sorted(places)
    assert all(before[1] <= after[0] for before, after in pairwise(places))
    covered = {place for start, end in places for place in range(start, end)}
    assert all(text[place].isspace() or not text[place].isprintable() for place in set(range(len(text))) - covered)


def test_given_words_are_joined_as_they_are_written():
    assert joined(["I", "like", "北", "京", "x"]).text == "I like 北京 x"


@given(st.lists(st.text(max_size=4), max_size=6))
def test_given_words_keep_their_number_and_spelling(words):
    found = joined(words)
    assert found.words == words
    assert found.given
