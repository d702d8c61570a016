"""Figures: as many marks as values, and the words that were given."""

import re

import numpy as np
import pytest

from dianji.report.plots import Curve, Span, bars, curves, matrix, ranges, ranked, reliability, spans, tradeoff


def test_bars_carry_names_and_values():
    drawing = bars({"a": 3, "b": 1234}, "rows")
    assert drawing.words == ("a", "b", "rows")
    assert "1,234" in drawing.svg


def test_ranked_bars_are_as_many_as_values():
    few, many = (len(re.findall(r"<path", ranked(range(1, count), "x", "y").svg)) for count in (11, 61))
    assert many - few == pytest.approx(50, abs=8)  # ticks differ


def test_ranges_name_each_split():
    of = {"min": 1.0, "p5": 2.0, "median": 5.0, "p95": 9.0, "max": 20.0}
    assert ranges({"train": of, "test": of}, "tokens").words == ("train", "test", "tokens")


def test_curves_and_spans_are_drawn():
    drawing = curves([Curve([1, 2, 3], [3.0, 2.0, 1.0]), Curve([1, 2], [3.0, 2.5], faint=True)], "steps", "loss")
    assert drawing.words == ("steps", "loss")
    assert spans([Span("model", 0.5, 0.4, 0.6), Span("base", 0.3, 0.2, 0.4, strong=False)], "f1").words[0] == "model"


def test_a_matrix_names_few_labels_and_numbers_many():
    assert matrix(np.eye(3), ["a", "b", "c"], "down", "across").words == ("a", "b", "c", "across")
    assert matrix(np.eye(40), [str(number) for number in range(40)], "down", "across").words == ("across", "down")


def test_a_matrix_of_many_labels_stays_small():
    assert len(matrix(np.random.default_rng(0).random((200, 200)), ["x"] * 200, "down", "across").svg) < 400_000


def test_reliability_marks_each_bin():
    drawing = reliability([Span("", 0.5, 0.4, 0.6)], [0.55], "confidence", "right")
    assert drawing.words == ("confidence", "right")


def test_a_tradeoff_names_every_point_beside_plain_numbers():
    names = ["first", "also $x$", "a name that is much longer than half of a figure"]
    values = [Span(name, 0.9, 0.88, 0.92) for name in names]
    drawing = tradeoff(values, [10.0, 10.1, 900.0], "seconds", "accuracy")
    assert drawing.words[:2] == ("first", "also $x$")
    assert str(drawing.words[2]).endswith("…")
    assert drawing.words[3:] == ("seconds", "accuracy")
    assert ">100</text>" in drawing.svg
    assert "mathdefault" not in drawing.svg


def test_names_of_a_tradeoff_do_not_lie_on_each_other():
    drawing = tradeoff([Span(name, 0.5, 0.4, 0.6) for name in "abc"], [1.0, 1.0, 1.0], "seconds", "accuracy")
    found = re.findall(r'<text[^>]*?(?:translate\(\S+ ([\d.]+)\)| y="([\d.]+)")[^>]*>@[012]@<', drawing.svg)
    heights = sorted(float(one or other) for one, other in found)
    assert len(heights) == 3
    assert np.diff(heights).min() > 10


def test_a_tradeoff_of_one_point_is_drawn():
    assert tradeoff([Span("only", 0.5, 0.4, 0.6)], [3.0], "seconds", "accuracy").words[0] == "only"
