from __future__ import annotations

import pytest

from dianji.data.language import chinese_script, detect, language_of

SENTENCES = {
    "en": "Where is the card that I ordered two weeks ago?",
    "de": "Wo ist die Karte, die ich vor zwei Wochen bestellt habe?",
    "fr": "Où est la carte que j'ai commandée pour mon compte ?",
    "es": "¿Dónde está la tarjeta que pedí para mi cuenta?",
    "it": "Dove è la carta che ho ordinato per il mio conto?",
    "nl": "Waar is de kaart die ik voor mijn rekening heb besteld?",
    "ru": "Где карта, которую я заказал для моего счёта?",
    "ja": "二週間前に注文したカードはどこにありますか？",
    "ko": "두 주 전에 주문한 카드는 어디에 있나요?",
    "zh": "我两个星期前申请的信用卡在哪里？",
    "ar": "أين البطاقة التي طلبتها قبل أسبوعين؟",
    "el": "Πού είναι η κάρτα που παρήγγειλα;",
    "und": "xqzt 12345 !!",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences(code):
    assert language_of(SENTENCES[code]) == code


@pytest.mark.parametrize("text", ["", "12 34", "xyzzy plugh"])
def test_unsure(text):
    assert language_of(text) == "und"


def test_chinese_with_latin_names_is_chinese():
    assert language_of("用 Windows 10 更新 GeForce 驱动") == "zh"


def test_shares_of_many_texts():
    found = detect([SENTENCES["en"]] * 70 + [SENTENCES["zh"]] * 30 + [""] * 50)
    assert found == [("en", 0.7), ("zh-Hans", 0.3)]
    assert detect([]) == []
    assert detect(["", " "]) == []


def test_scripts():
    assert chinese_script(["这个问题我们没有时间说"]) == "zh-Hans"
    assert chinese_script(["這個問題我們沒有時間說"]) == "zh-Hant"
    assert detect(["这个问题我们没有时间说", "這個問題我們沒有時間說"]) == [("zh", 1.0)]
    assert chinese_script(["你好"]) == "zh"
