"""``kill -9`` at random moments of ``dianji run``, and run again until it is done: the weights must be the same bytes.

Real processes from their start to their end, for full fine-tuning and for LoRA, with accumulation and an average of
weights, a checkpoint after every step. The test suite holds a quicker one that aims at saves too.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from _tools import dianji, environment, keep, processor, table, verdict

TOPICS = {
    "card": ["card", "lost", "stolen"],
    "cash": ["cash", "money", "machine"],
    "fee": ["fee", "refund", "transfer"],
}
FILLING = ["where", "is", "my", "how", "do", "i", "can", "you", "please", "help", "with", "the", "a", "for", "when"]
RECIPE = """
name: kill
seed: 7
base: {new: transformer, layers: 2, width: 32, heads: 2}
data:
  rows: {path: rows.csv}
stages:
  intent:
    task: text-classification
    data: rows
    adapt: ADAPT
    train: {epochs: 4, batch_size: 8, accumulate: 2, checkpoint_every: 1}
    techniques: [{ema: {decay: 0.9}}]
    evaluate: {resamples: 100, baselines: false}
"""
ADAPTATIONS = {"full": "full", "lora": "{lora: {rank: 2}}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="for each adaptation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=600)
    arguments = parser.parse_args()
    print(processor())
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, adapt in ADAPTATIONS.items():
            folder = Path(temporary) / name
            folder.mkdir()
            write_rows(folder / "rows.csv", arguments.rows, arguments.seed)
            (folder / "recipe.yaml").write_text(RECIPE.replace("ADAPT", adapt), encoding="utf-8")
            results[name] = kill_often(folder, arguments.kills, random.Random(arguments.seed))
    rows = [
        [
            name,
            str(found["kills"]),
            str(found["finished"]),
            verdict(bool(found["equal"])),
            ", ".join(found["half_written"]),
        ]
        for name, found in results.items()
    ]
    print()
    table(["adaptation", "kills", "runs that finished", "byte-equal", "killed while writing"], rows)
    keep("kill", results)
    if not all(found["equal"] for found in results.values()):
        raise SystemExit(1)


def kill_often(folder: Path, kills: int, rng: random.Random) -> dict[str, object]:
    """Kill, go on, kill …; a run that comes through is compared, and the next one starts anew."""
    began = time.monotonic()
    run(folder, folder / "undisturbed", None)
    lasts = time.monotonic() - began
    expected = weights(folder / "undisturbed")
    home, done, finished, equal = folder / "home", 0, 0, True
    half_written: dict[str, int] = {}
    seen: set[Path] = set()
    while done < kills:
        if run(folder, home, rng.uniform(0.0, lasts)):
            finished += 1
            equal &= weights(home) == expected
            shutil.rmtree(home)
            continue
        done += 1
        for path in set(home.glob("steps/*/**/.*")) - seen:
            seen.add(path)
            kind = path.name.strip(".").split(".")[0]
            kind = "checkpoint" if kind.isdigit() else kind
            half_written[kind] = half_written.get(kind, 0) + 1
        print(f"  {folder.name}: {done} of {kills} kills", flush=True)
    run(folder, home, None)
    equal &= weights(home) == expected
    return {
        "kills": done,
        "finished": finished + 1,
        "equal": equal,
        "seconds_undisturbed": round(lasts, 1),
        "half_written": [f"{kind} {count}" for kind, count in sorted(half_written.items())],
    }


def run(folder: Path, home: Path, seconds: float | None) -> bool:
    """``dianji run``, killed after so many seconds; whether it came to its end."""
    command = [dianji(), "run", "recipe.yaml", "--quiet"]
    home.mkdir(exist_ok=True)
    with (home / "output.txt").open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env=environment(DIANJI_HOME=str(home))
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
    if code != 0:
        raise SystemExit(f"exit code {code}: {(home / 'output.txt').read_text()[-4000:]}")
    return True


def weights(home: Path) -> str:
    """sha256 of the one artefact's weights."""
    (file,) = home.glob("steps/*/artefact/model.safetensors")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_rows(path: Path, rows: int, seed: int) -> None:
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for _ in range(rows):
            label = rng.choice(list(TOPICS))
            words = [*rng.choices(FILLING, k=rng.randint(2, 9)), *rng.choices(TOPICS[label], k=2)]
            rng.shuffle(words)
            file.write(f"{' '.join(words)},{label}\n")


if __name__ == "__main__":
    main()
