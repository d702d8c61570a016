"""Has Dianji become slower? Ratios, in less than three minutes, beside those stored for this kind of CPU.

Both sides of a ratio run in one process, in turn, three times; the median of the three ratios counts, so that what
disturbs the machine disturbs both. A loss of more than a fifth fails (exit code 1). ``--store`` writes today's ratios
to ``expected.json``: after a change that is meant, or on a kind of CPU that has none yet. Leave the machine alone
meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from _tools import answer, median, processor, table
from suite import machine, regression

CHILD = Path(__file__).with_name("_quick_child.py")
EXPECTED = Path(__file__).with_name("expected.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help="write the ratios of this kind of CPU")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    began = time.monotonic()
    kind = machine.kind()
    print(f"{kind}: {processor()}", flush=True)
    found = answer([sys.executable, CHILD, "--repeats", str(arguments.repeats)])["ratios"]
    ratios = {name: median(of) for name, of in found.items()}
    stored = regression.read(EXPECTED, kind)
    rows = regression.compare(ratios, {} if arguments.store else stored)
    table(
        ["ratio", "now", "lowest – highest", "stored", "change", ""],
        [
            [
                row.name,
                f"{row.now:.2f}",
                f"{min(found.get(row.name, [0.0])):.2f} – {max(found.get(row.name, [0.0])):.2f}",
                "" if row.stored is None else f"{row.stored:.2f}",
                "" if row.change is None else f"{row.change:+.0%}",
                "LOST" if row.lost else "",
            ]
            for row in rows
        ],
    )
    print(f"\n{(time.monotonic() - began) / 60:.1f} minutes")
    if arguments.store:
        regression.store(EXPECTED, kind, processor(), ratios)
        print(f"stored for {kind} in {EXPECTED.name}")
    elif not stored:
        print(f"{EXPECTED.name} has no ratios for {kind}, so nothing was compared. To store these, as a quiet machine")
        print("gives them: python benchmarks/quick.py --store")
    elif lost := [row.name for row in rows if row.lost]:
        raise SystemExit(f"more than {regression.LOSS:.0%} is lost: {', '.join(lost)}")


if __name__ == "__main__":
    main()
