"""How cost grows with the rows: time and peak memory of ``dianji predict`` and ``dianji run`` for 1k to 1M rows.

Rows are BANKING77's, repeated and made unique by a suffix. ``predict`` reads a CSV and writes JSON lines, with a new
transformer of two layers, 32 wide, so that what is not the model shows. ``run`` encodes and trains such a model for one
epoch of 1k to 100k rows; with ``--full`` of 1M too. Linear in time means that a further row costs no more at the most
rows than before; flat in memory that the peak of the process is what it was.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _tools import DATA, dianji, environment, keep, need, processor, table, verdict
from suite.growth import Point, per_row, points_of, verdicts

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MOST_TO_TRAIN = 100_000
HELD = 100  # rows to validate and test on
RECIPE = """
name: growth
seed: 7
base: {new: transformer, layers: 2, width: 32, heads: 2, length: 32, vocabulary: 2000}
data:
  rows:
    path: ROWS
    split: {validation: held.csv, test: held.csv}
stages:
  intent:
    task: text-classification
    data: rows
    train: {epochs: 1, batch_size: 256, evaluate_every: 1000000}
    evaluate: {resamples: 100, baselines: false}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only", nargs="+", choices=("predict", "run"), default=("predict", "run"))
    parser.add_argument("--full", action="store_true", help="train on all sizes, too")
    arguments = parser.parse_args()
    print(processor(), flush=True)
    sizes = sorted(arguments.sizes)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.only}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder, sizes)
        for rows in sizes:
            if "run" in arguments.only and (arguments.full or rows <= MOST_TO_TRAIN):
                tell(found, "run", rows, train(folder, rows))
        if "predict" in arguments.only:
            artefact = prepared(folder)
            for rows in sizes:
                out = folder / "out.jsonl"
                command = [dianji(), "predict", str(artefact), f"{rows}.csv", "--out", str(out), "--quiet"]
                tell(found, "predict", rows, measured(command, folder, "predict"))
                out.unlink()
    points = {name: points_of(of) for name, of in found.items()}
    report(points)
    path = keep("growth", found)
    for file in draw(points, path):
        print(file.name)


def write_rows(folder: Path, sizes: Sequence[int]) -> None:
    """A file for each size; texts are unique, and held out ones are in no other file."""
    with (need(DATA / "banking77") / "banking_data" / "train.csv").open(newline="", encoding="utf-8") as file:
        known = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    random.Random(7).shuffle(known)
    written = {"held": HELD, **{str(rows): rows for rows in sizes}}
    for name, rows in written.items():
        first = 0 if name == "held" else HELD
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            repeated = itertools.islice(itertools.cycle(known), first, first + rows)
            writer.writerows((f"{text} {number}", label) for number, (text, label) in enumerate(repeated, start=first))


def prepared(folder: Path) -> Path:
    """An artefact to predict with, of the fewest rows that were written."""
    rows = min(int(path.stem) for path in folder.glob("*.csv") if path.stem.isdigit())
    home = folder / f"home-{rows}"
    if not home.exists():
        train(folder, rows)
    return next(home.glob("steps/*/artefact"))


def train(folder: Path, rows: int) -> dict[str, float]:
    recipe = folder / f"{rows}.yaml"
    recipe.write_text(RECIPE.replace("ROWS", f"{rows}.csv"), encoding="utf-8")
    return measured([dianji(), "run", recipe.name, "--quiet"], folder, f"home-{rows}")


def measured(command: Sequence[str], folder: Path, home: str) -> dict[str, float]:
    """Seconds and peak memory of a command's own process."""
    log = folder / "output.txt"
    began = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(DIANJI_HOME=str(folder / home)),
        )
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{log.read_text()[-3000:]}")
    return {"seconds": round(seconds, 2), "peak_mb": round(used.ru_maxrss / 1024, 1)}


def tell(found: Mapping[str, list[dict[str, float]]], name: str, rows: int, took: Mapping[str, float]) -> None:
    found[name].append({"rows": rows, **took})
    print(f"  {name}, {rows:,} rows: {took['seconds']:.1f} s, {took['peak_mb']:,.0f} MB", flush=True)


def report(points: Mapping[str, Sequence[Point]]) -> None:
    """The tables."""
    rows = []
    for name, of in points.items():
        costs = ["", *(f"{1000 * cost:.3f}" for cost in per_row(of))]
        rows += [
            [name, f"{point.rows:,}", f"{point.seconds:,.1f}", cost, f"{point.peak_mb:,.0f}"]
            for point, cost in zip(of, costs, strict=True)
        ]
    print()
    table(["command", "rows", "seconds", "ms a further row", "peak MB"], rows)
    judged = [
        [name, one.what, f"≤ {one.most}", f"{one.factor:.2f}", verdict(one.ok)]
        for name, of in points.items()
        for one in verdicts(of)
    ]
    if judged:
        print()
        table(["command", "target", "wanted", "found", ""], judged)


def draw(points: Mapping[str, Sequence[Point]], path: Path) -> list[Path]:
    """Both on logarithmic axes, as PNG and SVG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    named: list[tuple[Any, str, str]] = [(panels[0], "seconds", "seconds"), (panels[1], "peak_mb", "peak memory, MB")]
    for axes, value, label in named:
        for name, of in points.items():
            axes.plot([p.rows for p in of], [getattr(p, value) for p in of], marker="o", label=f"dianji {name}")
        axes.set(xscale="log", yscale="log", xlabel="rows", ylabel=label)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    files = [path.with_suffix(ending) for ending in (".png", ".svg")]
    for file in files:
        figure.savefig(file, dpi=150)
    pyplot.close(figure)
    return files


if __name__ == "__main__":
    main()
