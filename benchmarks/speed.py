"""How fast Dianji is beside other libraries: one table, saved as JSON and as a plot.

Every measurement is a process of its own, repeats are interleaved and each has another seed. An epoch over the same
rows is timed once it is warm, with the same size of batches, optimiser, rates and decay on both sides; where a setting
takes batches as random samples of the rows, some steps of it. Quality is compared after that epoch, on held-out rows;
what is owed is only met where it is equal. ``frozen`` is measured to the end: the Trainer once, and by its rate in
further repeats. ``--full-quality`` trains the others to the end too, once.

Model-FLOPs utilisation is the FLOPs of the real tokens, forward and backward, by the FLOP/s that products of
2048 x 2048 in bf16 reach here; ``suite/flops.py`` has the formula. Padding is no work.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from _tools import answer, json_line, keep, processor, spread, table, verdict
from suite import finished, targets
from suite.machine import limit
from suite.plot import draw
from suite.targets import OURS, TARGETS, WORKS, Checked, Judged, check, judge, sides

CHILD = Path(__file__).with_name("_speed_child.py")
SETS = {"long": ("passages",), "masked": ("novels",), "images": ("clothes",)}
SEED = 7
FINISHED = 3  # times in each repeat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKS, default=WORKS, help="works")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--full-quality", action="store_true", help="compare quality after whole trainings; hours")
    arguments = parser.parse_args()

    began = time.monotonic()
    machine = answer([sys.executable, CHILD, "machine"])
    show_machine(machine)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        names = sorted({name for work in arguments.only for name in SETS.get(work, ("questions",))})
        answer([sys.executable, CHILD, "sets", "--data", data, "--names", *names])
        found = {
            work: measure(work, data, arguments.repeats, full_quality=arguments.full_quality) for work in arguments.only
        }
    minutes = (time.monotonic() - began) / 60
    rows, checks = judged(found, machine)
    report(rows, checks, found)
    print(f"\n{minutes:.1f} minutes")
    path = keep(
        "speed",
        {
            "machine": machine,
            "minutes": minutes,
            "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
            "quality": [asdict(one) for one in checks],
            "found": found,
        },
    )
    for file in draw(rows, f"{processor()}", path):
        print(file.name)


def show_machine(machine: Mapping[str, Any]) -> None:
    """What all figures are to be read beside."""
    print(f"{machine['kind']}: {processor()}; {machine['threads']} threads, torch {machine['torch']}")
    shapes = [[shape, f"{machine['bf16'][shape]:,.0f}", f"{machine['fp32'][shape]:,.0f}"] for shape in machine["bf16"]]
    table(["product", "bf16 GFLOP/s", "fp32 GFLOP/s"], shapes)
    print(flush=True)


def measure(work: str, data: Path, repeats: int, *, full_quality: bool) -> dict[str, list[Any]]:
    """Every side in turn, then all again; of a peer's variants only the fastest goes on."""
    prepare(work, data)
    found: dict[str, list[Any]] = {}
    left_out: set[str] = set()
    for repeat in range(repeats):
        for side in sides(work):
            if side not in left_out:
                to_the_end = work == "frozen" and (side == OURS or repeat == 0)
                tell(found, work, side, once(work, side, data, SEED + repeat, full=to_the_end))
        left_out |= targets.slower_variants(work, found)
    if full_quality and work in {quality.work for quality in targets.QUALITIES} - {"frozen"}:
        for side in [side for side in sides(work) if side == OURS or side.startswith(("trainer best", "loop"))]:
            if side not in left_out:
                ended = once(work, side, data, SEED, full=True)
                found.setdefault(f"{side}, to the end", []).append(ended)
    return found


def prepare(work: str, data: Path) -> None:
    if work == "predict":
        answer([sys.executable, CHILD, "artefact", "--data", data])
    if work == "finished":
        finished.prepare(data / "questions", data / "finished")


def once(work: str, side: str, data: Path, seed: int, *, full: bool) -> Any:
    """One measurement."""
    if work == "finished":
        measured = [finished.measure(data / "finished") for _ in range(FINISHED)]
        return sorted(measured, key=lambda one: one["seconds"])[FINISHED // 2]
    command = [sys.executable, CHILD, work, "--side", side, "--data", data, "--seed", str(seed)]
    return {**answer([*command, *(["--full"] if full else [])]), "complete": full}


def tell(found: dict[str, list[Any]], work: str, side: str, measured: Any) -> None:
    found.setdefault(side, []).append(measured)
    print(f"  {work}, {side}: {json_line(measured)}", flush=True)


def judged(found: Mapping[str, Any], machine: Mapping[str, Any]) -> tuple[list[Judged], list[Checked]]:
    """Quality first, then every row."""
    checks = {work: check(work, of) for work, of in found.items()}
    rows = [
        judge(
            target,
            found[target.work],
            amx=machine["kind"] == "intel-amx",
            limit=limit(dict(machine)),
            equal=(one := checks[target.work]) is None or one.ok,
        )
        for target in TARGETS
        if target.work in found
    ]
    return [row for row in rows if row is not None], [one for one in checks.values() if one is not None]


def report(rows: Sequence[Judged], checks: Sequence[Checked], found: Mapping[str, Any]) -> None:
    """The tables."""
    if checks:
        print("\nquality first")
        table(["work", "what", "dianji", "peer", "wanted", ""], [quality_cells(one) for one in checks])
    print()
    header = ["work", "unit", "dianji", "peer", "its", "ratio", "lowest – highest", "owed", "", "utilisation", "peer's"]
    table(header, [cells_of(row) for row in rows])
    if "finished" in found:
        torch = min(one["import_torch_seconds"] for one in found["finished"][OURS])
        print(f"\nimporting torch alone takes {torch:.2f} s")


def quality_cells(one: Checked) -> list[str]:
    """A row of the table of quality."""
    return [one.work, one.how, f"{one.ours:.4f}", f"{one.theirs:.4f}", one.band, verdict(one.ok)]


def cells_of(row: Judged) -> list[str]:
    """A row of the table."""
    digits = 3 if row.target.figure == "utilisation" else 2 if max(row.ours) < 10 else 0
    sign = "≤" if row.target.most else "≥"
    return [
        row.target.title,
        row.target.unit,
        spread(row.ours, digits),
        row.peer,
        spread(row.theirs, digits) if row.theirs else "",
        f"{row.ratio:.2f}",
        f"{min(row.ratios):.2f} – {max(row.ratios):.2f}",
        f"{sign} {row.owed:g}" if row.owed is not None else "",
        verdict(row.ok) if row.ok is not None else "",
        *(f"{used:.2f}" if used is not None else "" for used in (row.ours_utilisation, row.theirs_utilisation)),
    ]


if __name__ == "__main__":
    main()
