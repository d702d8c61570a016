"""Translation by ``examples/multi30k-en-de.yaml``: BLEU on the test file, and generation beside transformers' own.

- quality: the example as it stands, trained from nothing; BLEU with its interval and signature, minutes of training
- speed: the test sources in the same batches, sorted by length, by Dianji and by ``model.generate``, greedily and with
  beams, in fp32; texts are counted that differ, which they may where two scores are equal within rounding

``--artefact`` takes a model that was trained before, and measures speed alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _tools import DATA, ROOT, environment, interleaved, keep, median, need, processor, spread, table, verdict

EXAMPLE = ROOT / "examples" / "multi30k-en-de.yaml"
BLEU, FASTER = 39.0, 1.3
MINUTES = 60.0
BEAMS = (1, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artefact", type=Path, help="a model that was trained before; no quality then")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000, help="sources that are translated for the speed")
    arguments = parser.parse_args()
    print(f"{processor()}; {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as temporary:
        quality = None if arguments.artefact else train(Path(temporary))
        artefact = arguments.artefact or Path(quality["artefact"])
        speed = {beams: measure(artefact, beams, arguments.rows, arguments.repeats) for beams in BEAMS}
    report(quality, speed)
    keep("text_to_text", {"quality": quality, "speed": speed})


def train(home: Path) -> dict[str, Any]:
    """The example in a process of its own."""
    recipe = home / EXAMPLE.name
    shutil.copyfile(EXAMPLE, recipe)
    command = [sys.executable, "-m", "dianji", "run", str(recipe), "--json", "--quiet"]
    began = time.perf_counter()
    done = subprocess.run(
        command, env=environment(DIANJI_HOME=str(home)), stdout=subprocess.PIPE, text=True, check=True
    )
    (stage,) = json.loads(done.stdout)["stages"]
    seconds = time.perf_counter() - began
    figures = json.loads((Path(stage["artefact"]) / "evidence/metrics.json").read_text(encoding="utf-8"))
    return {
        "artefact": stage["artefact"],
        "minutes": seconds / 60,
        "training_minutes": stage["cost"]["train_seconds"] / 60,
        "metrics": figures["metrics"],
        "signatures": figures["signatures"],
    }


def measure(artefact: Path, beams: int, rows: int, repeats: int) -> dict[str, Any]:
    """Seconds of both sides for the same batches, and how many texts differ."""
    import gzip
    from dataclasses import replace

    import numpy as np
    import pyarrow as pa
    import torch

    from dianji import open as opened
    from dianji.engine.batches import Size, in_order
    from dianji.engine.evaluation import TOKENS

    path = need(DATA / "multi30k/data/task1/raw/test_2016_flickr.en.gz")
    texts = gzip.decompress(path.read_bytes()).decode().splitlines()[:rows]
    model = opened(artefact)
    network: Any = model.network
    task = replace(model.task, beams=beams)
    examples = task.encode(pa.table({"text": texts}), model.base)
    order = in_order(examples["length"].to_numpy(), Size(tokens=TOKENS["cpu"]))
    batches = [
        task.collate(examples.take(pa.array(some)), model.base, np.random.default_rng(0), purpose="predict")
        for some in order
    ]
    limit = batches[0]["wanted"]["limit"]

    def ours() -> list[list[int]]:
        written = (task.outputs(network, batch)["written"] for batch in batches)
        return [[token for token in row if token >= 0] for rows in written for row in rows.tolist()]

    def theirs() -> list[list[int]]:
        found = []
        for batch in batches:
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            with torch.inference_mode():
                made = network.generate(**inputs, num_beams=beams, max_length=1 + limit, do_sample=False)
            found += [row[1:] for row in made.tolist()]
        return found

    said: dict[str, list[list[int]]] = {}

    def timed(name: str) -> float:
        work: Callable[[], list[list[int]]] = {"dianji": ours, "generate": theirs}[name]
        began = time.perf_counter()
        said[name] = work()
        return time.perf_counter() - began

    seconds = interleaved(("dianji", "generate"), repeats, timed)
    end = model.base.config.eos_token_id
    expected = [row[: row.index(end)] if end in row else row for row in said["generate"]]
    different = sum(mine != other for mine, other in zip(said["dianji"], expected, strict=True))
    return {"rows": len(texts), "seconds": seconds, "different": different}


def report(quality: dict[str, Any] | None, speed: dict[int, dict[str, Any]]) -> None:
    """The tables, and whether what is owed was found."""
    rows: list[Sequence[str]] = []
    for beams, found in speed.items():
        ours, theirs = (found["seconds"][name] for name in ("dianji", "generate"))
        ratio = median(theirs) / median(ours)
        rows.append(
            [
                str(beams),
                spread(ours, 2),
                spread(theirs, 2),
                f"{ratio:.2f}",
                str(found["different"]),
                str(found["rows"]),
            ]
        )
    table(["beams", "dianji, s", "generate, s", "dianji is x", "texts that differ", "texts"], rows)
    print()
    for beams, found in speed.items():
        ratio = median(found["seconds"]["generate"]) / median(found["seconds"]["dianji"])
        print(f"generation with {beams} beams: {ratio:.2f}, owed {FASTER}: {verdict(ratio >= FASTER)}")
    if quality is not None:
        bleu = quality["metrics"]["test"]["bleu"]
        print(f"\n{quality['signatures']['bleu']}; {quality['training_minutes']:.1f} minutes of training")
        print(f"BLEU on test2016: {bleu['value']:.2f}, owed {BLEU}: {verdict(bleu['value'] >= BLEU)}")
        print(
            f"minutes in all: {quality['minutes']:.1f}, at most {MINUTES:.0f}: {verdict(quality['minutes'] <= MINUTES)}"
        )


if __name__ == "__main__":
    main()
