"""Writes the example's data: what users of an assistant said, with their intent and the slots that they named.

Reads the single-domain part of Schema-Guided Dialogue (Rastogi et al., 2020) in the folder that ``DIANJI_DATA`` names.
A turn's label is the intent that it announces, such as ``FindRestaurants``, else what it does, such as ``AFFIRM``.
Needs nothing but Python 3.11.

    python generate.py [--out data]
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FILE = "sgd_dialogue_single_domain/sgd_train.jsonl.xz"


def turns(path: Path) -> Iterator[dict[str, Any]]:
    """One row for each turn of a user."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            dialogue = json.loads(line)
            for turn in dialogue["turns"]:
                if turn["speaker"] == "USER":
                    yield row(dialogue["dialogue_id"], turn)


def row(dialogue: str, turn: dict[str, Any]) -> dict[str, Any]:
    """A turn as text, intent and spans."""
    (frame,) = turn["frames"]  # of one service, in dialogues of a single domain
    announced = [action["values"][0] for action in frame["actions"] if action["act"] == "INFORM_INTENT"]
    spans = [
        {"start": slot["start"], "end": slot["exclusive_end"], "label": slot["slot"]}
        for slot in sorted(frame["slots"], key=lambda slot: slot["start"])
    ]
    return {
        "text": turn["utterance"],
        "intent": announced[0] if announced else frame["actions"][0]["act"],
        "spans": spans,
        "dialogue": dialogue,
    }


def main() -> None:
    """Write ``turns.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "data")
    out = parser.parse_args().out
    root = Path(os.environ.get("DIANJI_DATA", HERE.parents[2] / "shared" / "data"))
    rows = list(turns(root / FILE))
    out.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(one, ensure_ascii=False) for one in rows]
    (out / "turns.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(rows):,} turns written to {out / 'turns.jsonl'}")


if __name__ == "__main__":
    main()
