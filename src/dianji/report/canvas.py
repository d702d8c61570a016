"""Draws figures: one pair of axes by matplotlib; the page decides on colours and words."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from dianji.errors import CapabilityError
from dianji.report.blocks import LANGUAGES, Drawing, Text, said
from dianji.report.wording import shorten

#: Points; as wide as a telephone, so that figures are never scaled down much and their letters stay readable.
WIDTH = 400
_RIGHT, _TOP, _BOTTOM = 14, 8, 38
_LETTERS = 11
_MOST_LETTERS = 28  # of a name beside an axis

#: Stand-ins, which ``svg.py`` replaces by the page's own colours for light and dark.
INK, ACCENT, SECOND, FAINT = "#010101", "#020202", "#030303", "#040404"

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: the reader's browser has the fonts, Chinese ones among them
    "svg.hashsalt": "dianji",
    "font.size": _LETTERS,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": _LETTERS,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": _LETTERS,
    "ytick.labelsize": _LETTERS,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "axes.formatter.use_mathtext": False,
    "path.simplify_threshold": 0.3,
}


class Lettering:
    """Replaces a text by a placeholder, so that matplotlib needs no font for it and takes no text for mathematics."""

    def __init__(self) -> None:
        self.words: list[Text] = []

    def __call__(self, text: Text) -> str:
        """``@0@`` for the first text, and so on."""
        self.words.append(shorten(text, _MOST_LETTERS) if isinstance(text, str) else text)
        return f"@{len(self.words) - 1}@"


#: Paints on matplotlib's axes.
Paint = Callable[[Any, Lettering], None]


def draw(paint: Paint, *, height: int, left: int = 46) -> Drawing:
    """The SVG document of a drawing by ``paint``.

    Args:
        paint: draws; receives the axes and the function that replaces words by placeholders.
        height: of the whole figure, in points; the width is ``WIDTH``.
        left: of the axes, in points; see ``margin``.

    Raises:
        CapabilityError: the extra ``report`` is missing.
    """
    matplotlib = _matplotlib()
    letters, stream = Lettering(), io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a reader's own matplotlibrc must not change the page
        matplotlib.rcParams.update(_STYLE)
        figure = matplotlib.figure.Figure(figsize=(WIDTH / 72, height / 72))
        inner = (WIDTH - left - _RIGHT) / WIDTH, (height - _TOP - _BOTTOM) / height
        paint(figure.add_axes((left / WIDTH, _BOTTOM / height, *inner)), letters)
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return Drawing(stream.getvalue(), tuple(letters.words))


def margin(names: Iterable[Text]) -> int:
    """The width in points of names to the left of an axis, in the longer language."""
    spoken = [shorten(said(name, language), _MOST_LETTERS) for name in names for language in LANGUAGES]
    return round(14 + max((_ems(name) for name in spoken), default=0.0) * _LETTERS)


def _ems(text: str) -> float:
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.56 for letter in text)


def _matplotlib() -> Any:
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise CapabilityError('figures need the package matplotlib. Install it: pip install "dianji[report]"') from None
    return matplotlib
