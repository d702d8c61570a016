"""Forecast and measured peak memory of stages, each in a fresh process, and the constants that would fit best.

    python benchmarks/memory_forecast.py --data /path/to/public/data [--only full frozen]

Needs the public data sets BANKING77, english_novels and Fashion-MNIST in one folder. Takes about a minute a stage.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = {"validation": 0.1, "test": 0.05}
MINILM = {"from": "minilm", "task": "text-classification", "data": "questions"}
PASSAGES = {"from": "minilm", "task": {"text-classification": {"length": 128}}, "data": "passages"}
STAGES = {
    "full": {**MINILM, "train": {"batch_size": 64, "epochs": 1}},
    "frozen": {**MINILM, "adapt": "frozen", "train": {"batch_size": 64, "epochs": 1, "solver": "loop", "cache": "off"}},
    "lora": {**MINILM, "adapt": {"lora": {"rank": 8}}, "train": {"batch_size": 64, "epochs": 1}},
    "recomputed": {**MINILM, "train": {"batch_size": 64, "epochs": 1, "gradient_checkpointing": True}},
    "passages": {**PASSAGES, "train": {"batch_size": 64, "steps": 3}},
    "passages-recomputed": {**PASSAGES, "train": {"batch_size": 64, "steps": 3, "gradient_checkpointing": True}},
    "passages-fp32": {**PASSAGES, "train": {"batch_size": 16, "steps": 3, "precision": "fp32"}},
    "masked": {
        "from": {"new": "transformer", "layers": 4, "width": 256},
        "task": "masked-language",
        "data": "questions",
        "train": {"epochs": 1},
    },
    "images": {"from": {"new": "resnet"}, "task": "image-classification", "data": "images", "train": {"steps": 6}},
}


def main() -> None:
    """Forecast and run every stage; one table, and JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("DIANJI_DATA"))
    parser.add_argument("--only", nargs="*", default=list(STAGES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(Path(arguments.child[0]), arguments.child[1])))
        return
    found = {}
    print(f"{'stage':22}{'forecast':>9}{'measured':>9}{'error':>8}   parts of the forecast (MB)")
    with tempfile.TemporaryDirectory() as folder:
        recipe = write(Path(folder), arguments.data)
        for name in arguments.only:
            command = [sys.executable, __file__, "--child", str(recipe), name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name:22}failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            of = found[name] = json.loads(done.stdout.strip().splitlines()[-1])
            error = of["forecast"] / of["measured"] - 1
            parts = ", ".join(f"{part} {value:.0f}" for part, value in of["parts"].items())
            print(f"{name:22}{of['forecast']:9.0f}{of['measured']:9.0f}{error:+8.0%}   {parts}", flush=True)
    if len(found) > 2:
        lost, libraries = fit(found)
        print(f"what fits these best: LOST {lost:.2f}, LIBRARIES (with SHAPES) {libraries:.0f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def fit(found: dict) -> tuple[float, float]:
    """Least squares of what was measured beyond the process, over the tensors."""
    import numpy as np

    def tensors(parts: dict) -> float:
        return parts["weights"] + parts["optimizer"] + max(parts["step"], parts["evaluation"], parts["checkpoint"])

    counted = np.array([tensors(of["parts"]) for of in found.values()])
    beyond = np.array([of["measured"] - of["parts"]["process"] for of in found.values()])
    slope, offset = np.linalg.lstsq(np.stack([counted, np.ones_like(counted)], axis=1), beyond, rcond=None)[0]
    return float(slope) - 1, float(offset)


def child(recipe: Path, stage: str) -> dict:
    """Forecast a stage, then train it and measure the peak, as a run does until it measures the model."""
    from dianji.engine.job import Job
    from dianji.engine.loop import Training
    from dianji.engine.memory import peak_mb, reset_peak
    from dianji.engine.runtime import make_runtime
    from dianji.pipeline import execute
    from dianji.pipeline.plan import schedule
    from dianji.pipeline.resource_forecast import forecast_stage
    from dianji.reporting import Silent
    from dianji.spec.sections import Recipe
    from dianji.store.steps import Store

    loaded = Recipe.load(recipe)
    loaded = loaded.model_copy(update={"stages": {stage: loaded.stages[stage]}})
    store = Store(recipe.parent / stage)
    work = schedule(loaded, store).works[0]
    foreseen = forecast_stage(work)
    if foreseen is None:
        raise SystemExit("there is no forecast")
    work.step.folder.mkdir(parents=True)
    reset_peak()
    ready = execute._prepare(work, store, Silent())
    learnt, examples = ready.learnt, ready.examples
    job = Job(
        name=stage,
        task=learnt.task,
        base=learnt.base,
        model=learnt.model,
        adaptation=work.adaptation,
        techniques=(),
        train=work.train,
        examples=examples["train"],
        validation=examples.get("validation"),
        seed=0,
    )
    Training(job, make_runtime(work.train.precision), work.step.folder, Silent()).run()
    return {"forecast": foreseen.total, "measured": peak_mb(), "parts": vars(foreseen)}


def write(folder: Path, data: Path) -> Path:
    """A recipe of all stages, over small parts of the public data."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    with (data / "banking77/banking_data/train.csv").open(encoding="utf-8") as file:
        questions = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    _table(folder / "questions.csv", [questions[index] for index in rng.permutation(len(questions))[:1400]])
    passages = []
    for novel in pq.read_table(data / "english_novels/english_novels.parquet").to_pylist():
        words = novel["text"].split()[:3000]
        passages += [
            (" ".join(words[start : start + 100]), novel["author"]) for start in range(0, len(words) - 99, 100)
        ]
    _table(folder / "passages.csv", [passages[index] for index in rng.permutation(len(passages))[:900]])
    images = pq.read_table(data / "fashion_mnist/train.parquet")
    pq.write_table(images.take(pa.array(rng.permutation(images.num_rows)[:3000])), folder / "images.parquet")
    sections = {
        name: {"path": str(folder / file), "split": ROWS}
        for name, file in (("questions", "questions.csv"), ("passages", "passages.csv"), ("images", "images.parquet"))
    }
    path = folder / "recipe.json"  # JSON is YAML
    path.write_text(json.dumps({"name": "memory", "data": sections, "stages": STAGES}))
    return path


def _table(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


if __name__ == "__main__":
    main()
