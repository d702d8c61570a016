"""Figures: drawn without fonts, mathematics or a reader's own settings."""

import sys
import warnings

import pytest

from dianji.errors import CapabilityError
from dianji.report.blocks import Words
from dianji.report.canvas import Lettering, draw, margin
from dianji.report.plots import bars
from dianji.report.svg import inline


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CapabilityError, match=r'pip install "dianji\[report\]"'):
        draw(lambda axes, letters: None, height=100)


def test_words_need_no_font_and_are_no_mathematics():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that is missing in matplotlib's font is a warning
        drawing = bars({"退款 $x": 3, "a<b>": 4}, Words("rows", "行数"))
    assert "退款" not in drawing.svg
    chinese, english = (inline(drawing, language, "f1", "alt") for language in ("zh", "en"))
    assert "退款 $x" in chinese
    assert "a&lt;b&gt;" in chinese
    assert "行数" in chinese
    assert "rows" in english


def test_long_names_are_cut_and_given_room():
    letters = Lettering()
    assert letters("a" * 100) == "@0@"
    assert letters.words == ["a" * 27 + "…"]
    assert margin(["退" * 10]) > margin(["a" * 10]) > margin(["a"])


def test_the_reader_s_settings_change_nothing():
    import matplotlib

    plain = bars({"a": 1}, "x").svg
    with matplotlib.rc_context({"font.size": 40, "axes.facecolor": "red"}):
        assert bars({"a": 1}, "x").svg == plain
