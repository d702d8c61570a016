"""Figures: as many marks as values, and the words that were given."""

import re

import numpy as np
import pytest

from dianji.report.plots import Curve, Span, bars, curves, matrix, ranges, ranked, reliability, spans


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
