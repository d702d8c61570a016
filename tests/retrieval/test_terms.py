"""Terms are words; characters and bigrams where words are not divided."""

from __future__ import annotations

import pytest

from dianji.retrieval.terms import terms, unit_starts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is MY card-2?", ["where", "is", "my", "card", "2"]),
        ("我的卡", ["我", "的", "卡", "我的", "的卡"]),
        ("我的ＡＢＣ卡", ["我", "的", "我的", "abc", "卡"]),
        ("straße STRASSE", ["strasse", "strasse"]),
        ("!?", []),
        ("กิน", ["ก", "ิ", "น", "กิ", "ิน"]),
    ],
)
def test_terms(text, expected):
    assert terms(text) == expected


def test_units_are_words_and_characters():
    assert unit_starts("my card 我的").tolist() == [0, 3, 8, 9]
