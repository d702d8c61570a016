"""Texts in two languages."""

from dianji.report.blocks import Words, said


def test_words_are_said_in_the_language_asked_for():
    assert [said(Words("rows", "行"), language) for language in ("en", "zh")] == ["rows", "行"]
    assert said("退款", "en") == "退款"


def test_what_no_page_can_hold_is_replaced():
    assert said("a\x00b\x0b\ud800c\td\n", "en") == "a\ufffdb\ufffd\ufffdc\td\n"
