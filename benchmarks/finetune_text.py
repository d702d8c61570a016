"""The same fine-tuning by Dianji and by transformers' Trainer in three settings: samples/s, peak memory, accuracy.

all-MiniLM-L6-v2 on BANKING77, a linear head over the mean of the tokens, the same rows, learning rates and decay.

- tutorial: every text padded to 128 tokens, batch 8, fp32, all else as TrainingArguments has it
- defaults: padded to the longest of the batch (DataCollatorWithPadding), batch 8, fp32
- best: bf16, group_by_length, fused AdamW, batch 64; with and without a loader process, the faster one counts

Every measurement is a process of its own, and repeats are interleaved. Speed is measured over a whole epoch for Dianji
and for the best settings, whose batches differ in length by design, and over ``--steps`` steps after a warm-up for the
two slow ones, whose batches are random samples of the rows. Accuracy is only told of settings that ran in full, as the
mean over seeds: one seed's accuracy is off by half a point easily.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from _tools import DATA, answer, interleaved, keep, median, need, processor, spread, table, verdict

CHILD = Path(__file__).with_name("_finetune_child.py")
SLOW = ("tutorial", "defaults")
BEST = ("best", "best, 1 loader")
SETTINGS = ("dianji", *BEST, *SLOW)
TARGETS = {"tutorial": 10.0, "defaults": 2.5, "best": 1.0}
MEMORY, POINTS = 1.2, 0.005
VALIDATION = 0.05  # of the training file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="0: no speed, only full trainings")
    parser.add_argument(
        "--steps", type=int, help="measured for every setting; default: 30 for slow ones, else an epoch"
    )
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=SETTINGS)
    parser.add_argument(
        "--full", nargs="*", choices=SETTINGS, help="settings to train to the end and score; without names: dianji best"
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="full trainings of each such setting; their mean is compared"
    )
    arguments = parser.parse_args()
    if arguments.full == []:
        arguments.full = ["dianji", "best"]

    machine = answer([sys.executable, CHILD, "machine"])
    print(f"{processor()}; {machine['threads']} threads, torch {machine['torch']}")
    print(f"products of 1024 x 1024: fp32 {machine['fp32_gflops']} GFLOP/s, bf16 {machine['bf16_gflops']} GFLOP/s\n")
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        write_splits(need(DATA / "banking77" / "banking_data"), data)

        def measure(setting: str) -> Any:
            steps = arguments.steps or (30 if setting in SLOW else 0)
            return child("speed", setting, data, "--steps", str(steps))

        found = interleaved(arguments.only, arguments.repeats, measure) if arguments.repeats else {}

        def train(setting: str) -> Any:
            return child("full", setting, data, "--seed", str(next(seeds[setting])))

        settings = arguments.full or []
        seeds = {setting: iter(range(7, 7 + arguments.seeds)) for setting in settings}
        full = interleaved(settings, arguments.seeds, train) if settings else {}
    report(found, full, biased=arguments.steps is not None)
    keep("finetune_text", {"machine": machine, "steps": arguments.steps, "speed": found, "full": full})


def child(what: str, setting: str, data: Path, *more: str) -> Any:
    return answer([sys.executable, CHILD, what, "--setting", setting, "--data", data, *more])


def write_splits(source: Path, target: Path) -> None:
    """The same files for everybody; ``few`` holds some test rows."""
    with (source / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random.Random(7).shuffle(rows)
    held = round(VALIDATION * len(rows))
    with (source / "test.csv").open(newline="", encoding="utf-8") as file:
        test = list(csv.DictReader(file))
    for name, part in (("validation", rows[:held]), ("train", rows[held:]), ("test", test), ("few", test[:77])):
        with (target / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["text", "category"])
            writer.writeheader()
            writer.writerows({key: row[key] for key in ("text", "category")} for row in part)


def report(found: Mapping[str, list[Any]], full: Mapping[str, list[Any]], *, biased: bool) -> None:
    """The tables."""
    rates = {name: [one["samples_per_second"] for one in of] for name, of in found.items()}
    peaks = {name: [one["peak_mb"] for one in of] for name, of in found.items()}
    accuracies = {name: [one["accuracy"] for one in of] for name, of in full.items()}
    rows = []
    for name, of in found.items():
        ratio = f"{median(rates['dianji']) / median(rates[name]):.2f}" if "dianji" in rates else ""
        memory = f"{median(peaks['dianji']) / median(peaks[name]):.2f}" if "dianji" in peaks else ""
        helpers = f"{median([one['helpers_mb'] for one in of]):,.0f}"
        accuracy = f"{mean(accuracies[name]):.4f}, n {len(accuracies[name])}" if name in full else "not run in full"
        samples = f"{of[0]['samples']:,}"
        rows.append([name, spread(rates[name], 1), ratio, spread(peaks[name]), memory, helpers, samples, accuracy])
    for name in full.keys() - found.keys():
        rows.append([name, "", "", "", "", "", "", f"{mean(accuracies[name]):.4f}, n {len(accuracies[name])}"])
    header = ["setting", "samples/s", "dianji is x", "peak MB", "dianji / it", "helpers MB", "samples", "test accuracy"]
    print()
    table(header, rows)
    if biased:
        print(
            "\nOnly some steps were measured: settings that sort by length are not measured fairly. Leave out --steps."
        )
    if "dianji" in rates or "dianji" in full:
        print()
        table(["target", "wanted", "found", ""], judge(rates, peaks, accuracies))


def judge(
    rates: Mapping[str, list[float]], peaks: Mapping[str, list[float]], accuracies: Mapping[str, list[float]]
) -> list[list[str]]:
    """What is wanted, what was found, whether that is enough."""
    rows = []
    for name, wanted in TARGETS.items() if "dianji" in rates else ():
        ours = median(rates["dianji"])
        rivals = [median(rates[one]) for one in (BEST if name == "best" else (name,)) if one in rates]
        if rivals:
            ratio = ours / max(rivals)
            rows.append([f"samples/s against {name}", f"≥ {wanted:.1f}x", f"{ratio:.2f}x", verdict(ratio >= wanted)])
    if {"best", "dianji"} <= peaks.keys():
        ratio = median(peaks["dianji"]) / median(peaks["best"])
        rows.append(["peak memory against best", f"≤ {MEMORY}x", f"{ratio:.2f}x", verdict(ratio <= MEMORY)])
    for name in accuracies:
        if name != "dianji" and "dianji" in accuracies:
            apart = mean(accuracies["dianji"]) - mean(accuracies[name])
            told = f"{100 * apart:+.2f} points"
            rows.append([f"accuracy against {name}", f"within {100 * POINTS:.1f}", told, verdict(abs(apart) <= POINTS)])
    return rows


if __name__ == "__main__":
    main()
