"""What is owed beside whom, and whether what was found is enough. Knows nothing of how anything is measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from suite.flops import utilisation

#: side -> what each of its repeats measured.
Found = Mapping[str, Sequence[Mapping[str, Any]]]

BEST = ("trainer best", "trainer best, 1 loader")
LOOPS = tuple(f"loop with {workers} workers" for workers in (0, 1, 2))
OURS = "dianji"


@dataclass(frozen=True)
class Target:
    """One row of the table.

    ``peers``: of several, the one that is best in the median counts; none: the figure is judged by itself. ``ratio``:
    which way round it is told. ``most``: the ratio must not exceed what is owed. An owed value of None is not judged.
    """

    title: str
    work: str
    peers: tuple[str, ...]
    with_amx: float | None
    without: float | None
    figure: str = "rate"
    unit: str = "samples/s"
    ratio: Literal["ours/theirs", "theirs/ours", "ours"] = "ours/theirs"
    most: bool = False

    def owed(self, *, amx: bool) -> float | None:
        """On such a machine."""
        return self.with_amx if amx else self.without


TARGETS = (
    Target("full, Trainer padded to 128, fp32", "full", ("trainer padded",), 30.0, 18.0),
    Target("full, Trainer's defaults", "full", ("trainer defaults",), 8.0, 5.0),
    Target("full, Trainer's best", "full", BEST, 2.5, 1.6),
    Target("full, utilisation", "full", (), None, 0.58, "utilisation", "of bf16 products", "ours"),
    Target("full, peak memory", "full", BEST[:1], 0.8, 0.8, "peak_mb", "MB", most=True),
    Target("full at 128 to 256 tokens", "long", BEST[:1], 1.3, 1.3),
    Target("frozen, to convergence", "frozen", BEST[:1], 30.0, 22.0, "seconds", "s", "theirs/ours"),
    Target("last-layers: 2, 5 epochs", "last-layers", BEST[:1], 2.2, 1.9),
    Target("LoRA of rank 8", "lora", BEST[:1], 1.5, 1.3),
    Target("masked language, 4 x 256", "masked", BEST, 2.0, 2.0, unit="tokens/s"),
    Target("new ResNet", "images", LOOPS, 1.2, 1.2, unit="images/s"),
    Target("predicting, pipeline", "predict", ("pipeline",), 5.0, 4.5, unit="texts/s"),
    Target("predicting, sentence-transformers", "predict", ("sentence-transformers",), 1.3, 1.4, unit="texts/s"),
    Target("dianji run, nothing to do", "finished", (), 2.0, 2.0, "seconds", "s", "ours", most=True),
)

WORKS = tuple(dict.fromkeys(target.work for target in TARGETS))


def sides(work: str) -> tuple[str, ...]:
    """Ours first, then everybody it is held against."""
    peers = [peer for target in TARGETS if target.work == work for peer in target.peers]
    return tuple(dict.fromkeys([OURS, *peers]))


def slower_variants(work: str, found: Found) -> set[str]:
    """Peers that stand for the same library in another setting and are not its fastest: not worth another repeat."""
    slower: set[str] = set()
    for target in TARGETS:
        if target.work == work and len(target.peers) > 1:
            known = [peer for peer in target.peers if peer in found]
            slower |= set(known) - {max(known, key=lambda peer: _median(found[peer], "rate"), default="")}
    # The fastest way to compute need not be the one that takes the least memory: what another row needs stays.
    return slower - {target.peers[0] for target in TARGETS if target.work == work and len(target.peers) == 1}


@dataclass(frozen=True)
class Quality:
    """What must be equal before speed counts.

    After the same epoch over the same rows: held-out loss of ours at most ``factor`` times theirs. To the end: accuracy
    at most ``points`` behind, where there is one.
    """

    work: str
    factor: float
    points: float


#: Two seeds of the same library differ by up to two or three per cent in loss after the epoch that is timed.
QUALITIES = (
    Quality("full", 1.05, 0.01),
    Quality("long", 1.05, 0.03),
    Quality("frozen", 1.05, 0.0),
    Quality("last-layers", 1.05, 0.01),
    Quality("lora", 1.05, 0.01),
    Quality("masked", 1.02, 0.0),
    Quality("images", 1.15, 0.02),
)
AGREEMENT = 0.99  # of predicted labels with sentence-transformers'


@dataclass(frozen=True)
class Checked:
    """Whether ours is as good as theirs, in words and in one."""

    work: str
    how: str
    ours: float
    theirs: float
    band: str
    ok: bool


@dataclass(frozen=True)
class Judged:
    """A row: figures of each repeat, their ratios, what is owed. ``ok`` None: nothing is owed on this machine."""

    target: Target
    peer: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    ratios: tuple[float, ...]
    owed: float | None
    ok: bool | None
    ours_utilisation: float | None
    theirs_utilisation: float | None

    @property
    def ratio(self) -> float:
        """Of the medians, since repeats of the two sides need not be as many."""
        return _ratio(self.target, statistics.median(self.ours), statistics.median(self.theirs or (1.0,)))


def check(work: str, found: Found) -> Checked | None:
    """Quality of a work, or None where nothing says anything of it."""
    if work == "predict":
        return _agreement(found)
    quality = next((one for one in QUALITIES if one.work == work), None)
    ours = [one for side in found for one in found[side] if side.startswith(OURS)]
    theirs = [one for side in found for one in found[side] if side.startswith(("trainer best", "loop"))]
    if quality is None or not ours or not theirs:
        return None
    ended = [[one for one in of if one.get("complete")] for of in (ours, theirs)]
    if not all(ended):
        mine, other = (_median([one for one in of if not one.get("complete")], "loss") for of in (ours, theirs))
        how = "held-out loss after the epoch that was timed"
        return Checked(work, how, mine, other, f"at most {quality.factor:.2f}x", mine <= quality.factor * other)
    if all("accuracy" in one for of in ended for one in of):
        mine, other = (_median(of, "accuracy") for of in ended)
        band = f"at most {100 * quality.points:.0f} points behind" if quality.points else "equal or better"
        return Checked(work, "accuracy, to the end", mine, other, band, mine >= other - quality.points)
    mine, other = (_median(of, "loss") for of in ended)
    band = f"at most {quality.factor:.2f}x"
    return Checked(work, "held-out loss, to the end", mine, other, band, mine <= quality.factor * other)


def judge(target: Target, found: Found, *, amx: bool, limit: float, equal: bool = True) -> Judged | None:
    """A row from what was found; None where a side is missing.

    Args:
        target: which row.
        found: of its work.
        amx: whether the CPU has it.
        limit: FLOP/s of products in bf16.
        equal: whether the quality is; without that no speed is enough.
    """
    peers = [peer for peer in target.peers if found.get(peer)]
    if not found.get(OURS) or (target.peers and not peers):
        return None
    direction = 1 if target.ratio == "ours/theirs" and not target.most else -1
    peer = max(peers, key=lambda name: direction * _median(found[name], target.figure), default="")
    ours = tuple(_value(one, target.figure, limit) for one in found[OURS])
    theirs = tuple(_value(one, target.figure, limit) for one in found[peer]) if peer else ()
    pairs = zip(ours, theirs or (1.0,) * len(ours), strict=False)
    ratios = tuple(_ratio(target, mine, other) for mine, other in pairs)
    owed = target.owed(amx=amx)
    row = Judged(target, peer, ours, theirs, ratios, owed, None, *(_used(found.get(of), limit) for of in (OURS, peer)))
    if owed is None:
        return row
    enough = row.ratio <= owed if target.most else row.ratio >= owed
    return Judged(**{**vars(row), "ok": enough and equal})


def _ratio(target: Target, ours: float, theirs: float) -> float:
    if target.ratio == "ours":
        return ours
    return ours / theirs if target.ratio == "ours/theirs" else theirs / ours


def _value(one: Mapping[str, Any], figure: str, limit: float) -> float:
    if figure == "utilisation":
        return utilisation(one["flops"], one["seconds"], limit)
    return float(one[figure])


def _used(found: Sequence[Mapping[str, Any]] | None, limit: float) -> float | None:
    if not found or "flops" not in found[0]:
        return None
    return statistics.median(_value(one, "utilisation", limit) for one in found)


def _median(found: Sequence[Mapping[str, Any]], figure: str) -> float:
    return statistics.median(float(one[figure]) for one in found if figure in one)


def _agreement(found: Found) -> Checked | None:
    ours, theirs = found.get(OURS), found.get("sentence-transformers")
    if not ours or not theirs:
        return None
    pairs = list(zip(ours[0]["labels"], theirs[0]["labels"], strict=True))
    same = sum(mine == other for mine, other in pairs) / len(pairs)
    how = f"the same label for {len(pairs):,} texts"
    return Checked("predict", how, same, 1.0, f"at least {AGREEMENT:.0%}", same >= AGREEMENT)
