"""The figure of a comparison: every point named, no name on another."""

import re

import numpy as np

from dianji.report.plots import Span
from dianji.report.tradeoff import tradeoff


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
