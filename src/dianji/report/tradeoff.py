"""The figure of a comparison: the score of each variant against its cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dianji.report.blocks import Drawing, Text
from dianji.report.canvas import ACCENT, FAINT, SECOND, Lettering, draw, margin
from dianji.report.plots import Span
from dianji.report.wording import shorten

_LABEL_WIDTH, _LABEL_HEIGHT = 160, 14  # points that a name beside a dot may take


def tradeoff(values: Sequence[Span], costs: Sequence[float], across: Text, up: Text) -> Drawing:
    """A dot with its interval and name for each value, at its cost (> 0, a logarithmic axis)."""

    def paint(axes: Any, letters: Lettering) -> None:
        for of, cost in zip(values, costs, strict=True):
            colour = ACCENT if of.strong else SECOND
            axes.plot([cost, cost], [of.low, of.high], color=colour, linewidth=2)
            axes.plot([cost], [of.value], "o", color=colour, markersize=7)
        axes.grid(axis="both")
        _logarithmic(axes, min(costs), max(costs))
        _name_points(axes, letters, values, costs)
        axes.set_xlabel(letters(across))
        axes.set_ylabel(letters(up))

    return draw(paint, height=340, left=58)


def _logarithmic(axes: Any, low: float, high: float) -> None:
    """An axis of x with room on both sides and plain numbers: matplotlib's own would be formulas."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    room = max(1.5, (high / low) ** 0.1)
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.5g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _name_points(axes: Any, letters: Lettering, values: Sequence[Span], costs: Sequence[float]) -> None:
    """Names towards the middle; overlapping ones move up, with a thin line to their dot."""
    places = axes.transData.transform([(cost, of.value) for of, cost in zip(values, costs, strict=True)])
    places = places * 72 / axes.figure.dpi  # pixels to points
    middle = axes.bbox.x0 * 72 / axes.figure.dpi + axes.bbox.width * 36 / axes.figure.dpi
    taken = {False: -np.inf, True: -np.inf}
    for which in np.argsort(places[:, 1], kind="stable"):
        of, (x, y) = values[which], places[which]
        right = bool(x > middle)
        at = max(y, taken[right] + _LABEL_HEIGHT)
        taken[right] = at
        axes.annotate(
            letters(_fitting(of.name)),
            (costs[which], of.value),
            (-10 if right else 10, at - y),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.8},
        )


def _fitting(name: Text) -> Text:
    """A name, shortened so that it fits into half of a figure."""
    if not isinstance(name, str):
        return name
    most = len(name)
    while most > 1 and margin([shorten(name, most)]) > _LABEL_WIDTH:
        most -= 1
    return shorten(name, most)
