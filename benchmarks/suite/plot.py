"""Ratios as bars beside what is owed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from suite.targets import Judged

MET, MISSED, FREE = "#2a7f62", "#c1440e", "#8a8f98"


def draw(rows: Sequence[Judged], title: str, path: Path) -> list[Path]:
    """Write ``path`` as PNG and SVG; which files there are: none where all figures are absolute."""
    shown = [row for row in rows if row.target.ratio != "ours"][::-1]
    if not shown:
        return []
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.45 * len(shown)), layout="constrained")
    for place, row in enumerate(shown):
        colour = FREE if row.ok is None else MET if row.ok else MISSED
        axes.barh(place, row.ratio, color=colour, height=0.6)
        if len(row.ratios) > 1:
            axes.plot([min(row.ratios), max(row.ratios)], [place, place], color="black", linewidth=1.2)
        if row.owed is not None:
            axes.plot([row.owed, row.owed], [place - 0.42, place + 0.42], color="black", linewidth=2.5)
        axes.annotate(f" {row.ratio:.2f}x", (max([row.ratio, *row.ratios]), place), va="center")
    axes.set_yticks(range(len(shown)), [f"{row.target.title}\nbeside {row.peer}" for row in shown], fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.axvline(1.0, color="black", linewidth=0.6, linestyle=":")
    axes.set_xlabel("times as fast (peak memory: times as much); thick line: owed, thin line: lowest to highest")
    axes.set_title(title, fontsize=10)
    files = [path.with_suffix(ending) for ending in (".png", ".svg")]
    for file in files:
        figure.savefig(file, dpi=150)
    pyplot.close(figure)
    return files
