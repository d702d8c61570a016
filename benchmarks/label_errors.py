"""Are wrong labels found? 5 % of BANKING77's training labels are replaced by others, drawn by seed.

Told is the precision among as many of the most suspect rows as labels were replaced, and precision and recall of the
rows that are reported. The data set has wrong labels of its own, which count as misses here.
"""

from __future__ import annotations

import argparse
import csv
import time

import numpy as np
import pyarrow as pa
from _tools import DATA, keep, need, processor, table, verdict

SHARE = 0.05
TARGET = 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    path = need(DATA / "banking77" / "banking_data" / "train.csv")
    print(processor())
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names, labels = np.unique([row["category"] for row in rows], return_inverse=True)
    began = time.perf_counter()
    features = embedded([row["text"] for row in rows], [str(names[label]) for label in labels])
    seconds = round(time.perf_counter() - began, 1)
    print(f"{len(rows):,} texts, {len(names)} labels; features in {seconds} s", flush=True)
    found = [measure(features, labels, len(names), seed) for seed in range(arguments.seeds)]
    print()
    header = [
        "seed",
        "replaced",
        "precision at that number",
        "wanted",
        "",
        "reported",
        "precision",
        "recall",
        "seconds",
    ]
    table(header, [line(result) for result in found])
    keep("label_errors", {"share": SHARE, "target": TARGET, "features_seconds": seconds, "seeds": found})


def embedded(texts: list[str], labels: list[str]) -> np.ndarray:
    """minilm's mean over the tokens of each text."""
    from dianji.bases.minilm import MiniLM
    from dianji.pipeline.features import frozen_features
    from dianji.reporting import Silent
    from dianji.tasks.text_classification import TextClassification

    rows = pa.table({"text": texts, "label": labels})
    return frozen_features(TextClassification().fit(rows), MiniLM().prepare(rows), rows, Silent())


def measure(features: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> dict[str, float]:
    from dianji.evaluate.confident import likely_errors, ranking
    from dianji.pipeline.label_errors import out_of_fold

    rng = np.random.default_rng(seed)
    replaced = rng.choice(len(labels), round(SHARE * len(labels)), replace=False)
    given = labels.copy()
    given[replaced] = (labels[replaced] + rng.integers(1, classes, len(replaced))) % classes
    began = time.perf_counter()
    probabilities = out_of_fold(features, given)
    wrong = given != labels
    reported = likely_errors(given, probabilities)
    return {
        "seed": seed,
        "replaced": len(replaced),
        "precision_at": float(wrong[ranking(given, probabilities)[: len(replaced)]].mean()),
        "reported": len(reported),
        "precision": float(wrong[reported].mean()),
        "recall": float(wrong[reported].sum() / wrong.sum()),
        "seconds": round(time.perf_counter() - began, 1),
    }


def line(result: dict[str, float]) -> list[str]:
    return [
        f"{result['seed']}",
        f"{result['replaced']:,}",
        f"{result['precision_at']:.3f}",
        f"{TARGET:.3f}",
        verdict(result["precision_at"] >= TARGET),
        f"{result['reported']:,}",
        f"{result['precision']:.3f}",
        f"{result['recall']:.3f}",
        f"{result['seconds']:.0f}",
    ]


if __name__ == "__main__":
    main()
