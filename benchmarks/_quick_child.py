"""The ratios of ``quick.py``, both sides in this process; prints one JSON document."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _tools import DATA, need
from suite.sets import covering, read, write, write_rows

TRAIN, FROZEN, PREDICTED = 14 * 64, 512, 1500  # rows
LOOP_EPOCHS = 3.0
SEED = 7


@dataclass(frozen=True)
class Ratio:
    """How often the second takes as long as the first, both in seconds."""

    ours: Callable[[Path], float]
    plain: Callable[[Path], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    need(DATA / "banking77")
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        write(DATA, data, ["questions"])
        source = data / "questions"
        rows = read(source / "train.csv")
        write_rows(source / "train.csv", covering(rows, TRAIN))
        write_rows(source / "frozen.csv", covering(rows, FROZEN))
        write_rows(source / "held.csv", read(source / "few.csv"))  # scores are not what is asked for here
        found: dict[str, list[float]] = {}
        for _ in range(arguments.repeats):
            for name, ratio in RATIOS.items():
                ours, plain = ratio.ours(data), ratio.plain(data)
                found.setdefault(name, []).append(round(plain / ours, 4))
                print(f"{name}: {ours:.2f} s, {plain:.2f} s", file=sys.stderr, flush=True)
    print(json.dumps({"ratios": found}))


def full(data: Path) -> float:
    """Seconds of an epoch by Dianji; leaves its artefact for predicting."""
    stage = {"task": "text-classification", "train": {"batch_size": 64, "epochs": 1.0, "evaluate_every": 10**6}}
    clock, artefact = _train(data, "train", stage)
    if not (data / "artefact").exists():
        artefact.rename(data / "artefact")
    return clock.per_step * len(clock.steps)


def full_by_trainer(data: Path) -> float:
    """Seconds of an epoch by transformers' Trainer at its best."""
    from suite import texts

    with tempfile.TemporaryDirectory(dir=data) as folder:
        measured = texts.measure("full", "trainer best", data, Path(folder), SEED, full=False)
    return float(measured["seconds"])


def frozen(data: Path) -> float:
    """Seconds from rows to a head that has learnt, by the default."""
    return _whole(data, {})


def frozen_by_loop(data: Path) -> float:
    """The same by the loop, without a cache, for some epochs."""
    return _whole(data, {"solver": "loop", "cache": "off", "epochs": LOOP_EPOCHS, "evaluate_every": 10**6})


def predict(data: Path) -> float:
    """Seconds for some texts by Dianji, opened beforehand."""
    return _predicting(data, "dianji")


def predict_plainly(data: Path) -> float:
    """The same by a bucketed loop over transformers' model, in bf16."""
    return _predicting(data, "loop")


RATIOS: Mapping[str, Ratio] = {
    "full fine-tuning beside the Trainer's best": Ratio(full, full_by_trainer),
    f"frozen to convergence beside {LOOP_EPOCHS:.0f} epochs of the loop": Ratio(frozen, frozen_by_loop),
    "predicting beside a bucketed loop in bf16": Ratio(predict, predict_plainly),
}


def _train(data: Path, rows: str, stage: Mapping[str, Any]) -> Any:
    from suite import ours

    source = data / "questions"
    split = {"train": source / f"{rows}.csv", "validation": source / "few.csv", "test": source / "few.csv"}
    folder = Path(tempfile.mkdtemp(dir=data))  # a store of its own: nothing is found done, or cached
    done = ours.train(stage, "minilm", split, folder, SEED, keep=True)  # waiting for it took longer than training
    return done.clock, done.stage.artefact


def _whole(data: Path, train: Mapping[str, Any]) -> float:
    clock, _ = _train(data, "frozen", {"task": "text-classification", "adapt": "frozen", "train": dict(train)})
    return float(clock.whole)


def _predicting(data: Path, side: str) -> float:
    from suite import predicting

    texts = [text for text, _ in read(data / "questions" / "all.csv")][:PREDICTED]
    predict = predicting.SIDES[side](data)
    predict(texts[: predicting.WARM_UP])
    began = time.perf_counter()
    predict(texts)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
