"""What all benchmarks share: where data and results lie, children with one JSON answer, medians, plain tables."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DIANJI_DATA", ROOT.parent / "shared" / "data")).absolute()
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def need(path: Path) -> Path:
    """The path, or the end of the benchmark."""
    if not path.exists():
        raise SystemExit(f"{path}: not there. DIANJI_DATA names the folder that holds the public data sets.")
    return path


def dianji() -> str:
    """The command beside this interpreter."""
    return str(Path(sys.executable).with_name("dianji"))


def environment(**more: str) -> dict[str, str]:
    """For children: this one's, without network, with the data's place."""
    return {**os.environ, **OFFLINE, "DIANJI_DATA": str(DATA), **more}


def answer(command: Sequence[str | Path], **more: str) -> Any:
    """The JSON document that a child prints last; its standard error is shown if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(**more),
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-4000:])
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}")
    return json.loads(done.stdout[done.stdout.index("{") :])


def processor() -> str:
    """Kind, cores, and the instructions for bf16."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    named = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in text.splitlines() if ":" in line}
    flags = sorted({"avx512_bf16", "amx_bf16"} & set(named.get("flags", "").split()))
    return f"{named.get('model name', platform.machine())}, {os.cpu_count()} cores, {', '.join(flags) or 'no bf16'}"


def median(values: Sequence[float]) -> float:
    """As everywhere."""
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """``median (lowest – highest)``."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} – {max(values):,.{digits}f})"


def interleaved(names: Sequence[str], repeats: int, measure: Callable[[str], Any]) -> dict[str, list[Any]]:
    """Every name once, then every name again: what disturbs the machine for a while disturbs all alike."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names:
            found[name].append(measure(name))
            print(f"  repeat {repeat + 1} of {repeats}, {name}: {json.dumps(found[name][-1])}", flush=True)
    return found


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def verdict(ok: bool) -> str:
    """In one word."""
    return "met" if ok else "MISSED"


def json_line(measured: Any) -> str:
    """A measurement on one line; lists are too long for it."""
    short = {name: value for name, value in measured.items() if not isinstance(value, list)}
    return json.dumps(short)


def keep(name: str, result: Any) -> Path:
    """Write ``results/<name>-<time>.json`` beside the benchmarks; where that is."""
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"{name}-{now}.json"
    path.write_text(json.dumps({"time": now, "processor": processor(), "result": result}, indent=2) + "\n")
    print(f"\n{path.relative_to(ROOT)}")
    return path
