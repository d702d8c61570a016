"""The figures that sections share: bars, ranges, curves, values with intervals, matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dianji.report.blocks import Drawing, Text
from dianji.report.canvas import ACCENT, FAINT, INK, SECOND, Lettering, draw, margin

_LINE = 20  # points per named row
_AROUND = 50  # points above and below them
#: Blue that can be read on white and on black: pictures inside a figure cannot follow the page's colours.
_BLUE = (0.23, 0.51, 0.86)


@dataclass(frozen=True)
class Curve:
    """Points in the order of x."""

    x: Sequence[float]
    y: Sequence[float]
    faint: bool = False


@dataclass(frozen=True)
class Span:
    """A value with its interval, under a name."""

    name: Text
    value: float
    low: float
    high: float
    strong: bool = True


def bars(values: Mapping[str, float], across: Text) -> Drawing:
    """One named horizontal bar each, the first on top, with its value behind it."""

    def paint(axes: Any, letters: Lettering) -> None:
        places = np.arange(len(values))
        axes.barh(places, list(values.values()), color=ACCENT, height=0.7)
        for place, value in zip(places, values.values(), strict=True):
            axes.annotate(f"{value:,.0f}", (value, place), (4, 0), textcoords="offset points", va="center")
        axes.margins(x=0.15)
        _rows(axes, letters, list(values))
        axes.set_xlabel(letters(across))

    return draw(paint, height=_AROUND + _LINE * len(values), left=margin(values))


def ranked(values: Sequence[float], across: Text, up: Text) -> Drawing:
    """Bars without names, for more of them than can be read."""

    def paint(axes: Any, letters: Lettering) -> None:
        axes.bar(np.arange(1, len(values) + 1), values, color=ACCENT, width=0.9)
        axes.grid(axis="y")
        axes.margins(x=0.01)
        axes.set_xlabel(letters(across))
        axes.set_ylabel(letters(up))

    return draw(paint, height=220, left=58)


def ranges(quantiles: Mapping[Text, Mapping[str, float]], across: Text) -> Drawing:
    """For each name a thin line from least to most, a thick one over the middle nine tenths, and the median."""

    def paint(axes: Any, letters: Lettering) -> None:
        for place, of in enumerate(quantiles.values()):
            axes.plot([of["min"], of["max"]], [place, place], color=FAINT, linewidth=2)
            axes.plot([of["p5"], of["p95"]], [place, place], color=ACCENT, linewidth=7, solid_capstyle="butt")
            axes.plot([of["median"]], [place], "o", color=INK, markersize=6)
        _rows(axes, letters, list(quantiles))
        axes.set_xlim(left=0)
        axes.set_xlabel(letters(across))

    return draw(paint, height=_AROUND + 26 * len(quantiles), left=margin(quantiles))


def curves(lines: Sequence[Curve], across: Text, up: Text) -> Drawing:
    """Lines over a common axis; faint ones lie behind."""

    def paint(axes: Any, letters: Lettering) -> None:
        for line in lines:
            few = "o" if len(line.x) <= 30 and not line.faint else ""
            colour, width = (FAINT, 1.0) if line.faint else (ACCENT, 1.8)
            axes.plot(line.x, line.y, marker=few, markersize=4, color=colour, linewidth=width)
        axes.grid(axis="y")
        axes.set_xlabel(letters(across))
        axes.set_ylabel(letters(up))

    return draw(paint, height=220, left=58)


def spans(values: Sequence[Span], across: Text) -> Drawing:
    """A dot with its interval for each name, the first on top."""

    def paint(axes: Any, letters: Lettering) -> None:
        for place, of in enumerate(values):
            colour = ACCENT if of.strong else SECOND
            axes.plot([of.low, of.high], [place, place], color=colour, linewidth=2)
            axes.plot([of.value], [place], "o", color=colour, markersize=7)
        axes.grid(axis="x")
        _rows(axes, letters, [of.name for of in values])
        axes.set_xlabel(letters(across))

    return draw(paint, height=_AROUND + 26 * len(values), left=margin(of.name for of in values))


def matrix(shares: np.ndarray, names: Sequence[Text], down: Text, across: Text) -> Drawing:
    """A square of shares (labels, labels) in [0, 1], the darker the more; numbered where ``names`` are too many."""
    few = len(names) <= 12

    def paint(axes: Any, letters: Lettering) -> None:
        axes.imshow(_tinted(shares), interpolation="none", aspect="auto")
        for side in ("top", "right"):
            axes.spines[side].set_visible(True)
        if few:
            axes.set_yticks(range(len(names)), [letters(name) for name in names])
            axes.set_xticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)])
        axes.set_xlabel(letters(across))
        axes.set_ylabel("" if few else letters(down))

    return draw(paint, height=340, left=margin(names) if few else 46)


def reliability(bins: Sequence[Span], confidences: Sequence[float], across: Text, up: Text) -> Drawing:
    """The share of right answers (``bins``) by confidence (``confidences``); on the diagonal both agree."""

    def paint(axes: Any, letters: Lettering) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, dashes=(4, 3))
        for of, confidence in zip(bins, confidences, strict=True):
            axes.plot([confidence, confidence], [of.low, of.high], color=ACCENT, linewidth=1.6)
            axes.plot([confidence], [of.value], "o", color=ACCENT, markersize=6)
        axes.grid(axis="both")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel(letters(across))
        axes.set_ylabel(letters(up))

    return draw(paint, height=340)


def _rows(axes: Any, letters: Lettering, names: Sequence[Text]) -> None:
    axes.set_yticks(range(len(names)), [letters(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)


def _tinted(shares: np.ndarray) -> np.ndarray:
    """(labels, labels, 4) RGBA: one colour, its opacity is the share."""
    colour = np.broadcast_to(_BLUE, (*shares.shape, 3))
    return np.concatenate([colour, np.sqrt(shares)[..., None]], axis=2)
