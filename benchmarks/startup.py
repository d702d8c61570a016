"""How long ``dianji --help`` takes, against importing what it is made of. Target: within three times."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from _tools import dianji, environment, interleaved, keep, median, processor, spread, table, verdict

TARGET = 3.0
COMMANDS = {
    "dianji --help": [dianji(), "--help"],
    "import typer, pydantic, yaml": [sys.executable, "-c", "import typer, pydantic, yaml"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    print(processor())
    for name in COMMANDS:
        seconds(name)  # once, so that files are in memory for all
    found = interleaved(list(COMMANDS), arguments.repeats, seconds)
    ours, theirs = (median(found[name]) for name in COMMANDS)
    print()
    table(
        ["command", "ms, median (lowest – highest)"],
        [[name, spread([1000 * s for s in found[name]])] for name in COMMANDS],
    )
    print(f"\nratio {ours / theirs:.2f}, at most {TARGET} wanted: {verdict(ours <= TARGET * theirs)}")
    keep("startup", {"seconds": found, "ratio": ours / theirs, "target": TARGET})


def seconds(name: str) -> float:
    began = time.perf_counter()
    subprocess.run(COMMANDS[name], stdout=subprocess.DEVNULL, check=True, env=environment())
    return round(time.perf_counter() - began, 4)


if __name__ == "__main__":
    main()
