"""On a CUDA GPU, beside transformers at its best: masked-language pre-training of 110M parameters, fine-tuning.

- pre-training a new 12 x 768 encoder on English novels, at 128 and 512 tokens, beside ``run_mlm`` with bf16, fused
  AdamW, TF32, four loader processes, and the same with ``torch.compile``; the faster one counts
- full fine-tuning of all-MiniLM-L6-v2 on BANKING77, beside the Trainer in the same settings, not compiled

Utilisation is told of what products of 8192 x 8192 in bf16 reach on the card, and of what its maker names; what is owed
is judged by the latter where it is known. What is owed is only met where the held-out loss after the epoch that was
timed is equal. Without a GPU the same code runs a toy on the CPU, to show that both sides do the same work, and says
what it could not measure.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from _tools import answer, interleaved, keep, median, processor, spread, table, verdict
from suite.masked import WORKS
from suite.targets import OURS, Judged, Target, judge

CHILD = Path(__file__).with_name("_speed_child.py")
BEST = ("trainer best on a GPU", "trainer best on a GPU, compiled")
TARGETS = (
    Target("pre-training 110M at 128", "masked-110m-128", BEST, None, 2.0, unit="tokens/s"),
    Target("pre-training 110M at 512", "masked-110m-512", BEST, None, None, unit="tokens/s"),
    Target("utilisation at 512", "masked-110m-512", (), None, 0.45, "utilisation", "of bf16 products", "ours"),
    Target("full fine-tuning, BANKING77", "full", BEST[:1], None, 3.0),
)
TOYS = (
    Target("pre-training a toy at 32", "masked-tiny-32", ("trainer best",), None, None, unit="tokens/s"),
    Target("pre-training a toy at 64", "masked-tiny-64", ("trainer best",), None, None, unit="tokens/s"),
)
#: Two untrained toys after some steps: both still say little more than how often a token occurs.
LOSS_BAND = 1.05


@dataclass(frozen=True)
class Card:
    """A GPU; FLOP/s of its products in bf16, measured and by its maker."""

    name: str
    measured: float
    nominal: float | None

    @property
    def limit(self) -> float:
        """What utilisation is judged by."""
        return self.nominal or self.measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    told = answer([sys.executable, CHILD, "gpu"])
    if not told["name"]:
        without_gpu()
        return
    nominal = told["nominal_gflops"]
    card = Card(told["name"], told["bf16_gflops"] * 1e9, nominal * 1e9 if nominal else None)
    made = f"its maker names {nominal:,.0f}" if nominal else "what its maker names is not known here"
    print(f"{card.name}, torch {told['torch']}: {told['bf16_gflops']:,.0f} GFLOP/s of products in bf16; {made}")
    found = measure(TARGETS, arguments.repeats)
    judged = []
    for target in TARGETS:
        of = found[target.work]
        equal = learnt_alike(of)
        print(f"{target.title}: held-out loss {'equal' if equal else 'NOT equal'}, {losses(of)}")
        row = judge(target, of, amx=False, limit=card.limit, equal=equal)
        judged += [row] if row is not None else []
    report(judged, card)
    keep("gpu", {"card": asdict(card), "rows": [asdict(row) for row in judged], "found": found})


def without_gpu() -> None:
    """The same code on a toy; ends with exit code 1 if both sides do not learn alike."""
    print(f"no CUDA GPU here ({processor()}): a toy is trained on the CPU, for correctness alone\n")
    found = measure(TOYS, 1)
    rows = []
    for target in TOYS:
        ours, theirs = (found[target.work][side][0] for side in (OURS, *target.peers))
        rows.append(
            [
                target.title,
                f"{ours['tokens']:,} / {theirs['tokens']:,}",
                f"{ours['loss']:.3f} / {theirs['loss']:.3f}",
                verdict(alike(ours, theirs)),
            ]
        )
    table(["work", "tokens, ours / theirs", "held-out loss, ours / theirs", ""], rows)
    print("\nnot measured, for want of a GPU:")
    for target in TARGETS:
        print(f"  {target.title}: {wanted(target) or 'for information'}")
    keep("gpu", {"card": None, "found": found, "not_measured": [target.title for target in TARGETS]})
    if any(row[-1] != verdict(True) for row in rows):
        raise SystemExit(1)


def alike(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether both saw about as many tokens and learnt about as much: windows and joined blocks are cut differently."""
    tokens, loss = (ours[name] / theirs[name] for name in ("tokens", "loss"))
    return 1 / 1.1 <= tokens <= 1.1 and 1 / LOSS_BAND <= loss <= LOSS_BAND


def losses(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Of every side, the median."""
    return {side: round(median([one["loss"] for one in of]), 4) for side, of in found.items()}


def learnt_alike(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
    """Whether ours is not behind the best of the others."""
    of = losses(found)
    return of[OURS] <= LOSS_BAND * min(loss for side, loss in of.items() if side != OURS)


def measure(targets: Sequence[Target], repeats: int) -> dict[str, dict[str, list[Any]]]:
    """Every work, its sides in turn."""
    works: dict[str, list[str]] = {}
    for target in targets:
        sides = works.setdefault(target.work, [OURS])
        sides += [peer for peer in target.peers if peer not in sides]
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        sets = sorted({WORKS[work].novels if work in WORKS else "questions" for work in works})
        answer([sys.executable, CHILD, "sets", "--data", data, "--names", *sets])
        found = {}
        for work, sides in works.items():

            def once(side: str, work: str = work) -> Any:
                return answer([sys.executable, CHILD, work, "--side", side, "--data", data])

            found[work] = interleaved(sides, repeats, once)
    return found


def report(rows: Sequence[Judged], card: Card) -> None:
    """One table."""
    header = ["work", "unit", "dianji", "peer", "its", "ratio", "owed", "", "of measured products", "of nominal"]
    print()
    table(header, [cells_of(row, card) for row in rows])


def cells_of(row: Judged, card: Card) -> list[str]:
    """A row of it."""
    digits = 3 if row.target.figure == "utilisation" else 0
    used = (row.ours_utilisation or 0.0) * card.limit
    return [
        row.target.title,
        row.target.unit,
        spread(row.ours, digits),
        row.peer,
        spread(row.theirs, digits) if row.theirs else "",
        f"{row.ratio:.2f}",
        wanted(row.target),
        verdict(row.ok) if row.ok is not None else "",
        f"{used / card.measured:.2f}",
        f"{used / card.nominal:.2f}" if card.nominal else "",
    ]


def wanted(target: Target) -> str:
    """What is owed, in words."""
    return f"≥ {target.without:g}" if target.without is not None else ""


if __name__ == "__main__":
    main()
