"""In which order candidates are advised, and why: what was measured of them where it was, else what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dianji.advice import Knowledge
from dianji.pipeline.advise.candidates import Candidate

#: Ways to tune a pre-trained base, the best first, with many labels and with few: as they came out on BANKING77 with
#: all-MiniLM-L6-v2 (benchmarks/compare_banking77.py).
TUNINGS_MANY: Sequence[str] = ("full", "last-layers", "lora", "frozen")
TUNINGS_FEW: Sequence[str] = ("last-layers", "frozen", "full", "lora")
FEW = 20  # rows per label
#: New networks by modality, the best first, as they came out in benchmarks/advise.py. To learn the language from the
#: very rows whose labels are learnt next did not pay; from far more text it does.
NEW: Mapping[str, Sequence[str]] = {
    "text": ("transformer", "lstm", "cnn", "transformer, masked-language first"),
    "image": ("resnet", "cnn", "vit"),
}
RULE = (
    "A base that was pre-trained comes first unless its frozen features tell the labels clearly worse than counted "
    "words or pixels do: then after the new networks; of several, the one whose features tell most. Ways of tuning "
    "and new networks stand in the order in which they came out when all were trained. What does not fit comes last."
)


@dataclass(frozen=True)
class DataFacts:
    """What matters of the data."""

    train: int
    labels: int  # 0: there are none
    modality: Literal["text", "image"]
    language: str

    @property
    def per_label(self) -> float:
        """Rows that a label has on average."""
        return self.train / max(1, self.labels)


def ranking_key(candidate: Candidate, rows: DataFacts, known: Knowledge | None) -> tuple[tuple[float, ...], list[str]]:
    """A sortable place, the best lowest, and the reasons for it."""
    if candidate.card.pretrained:
        return _pretrained(candidate, rows, known)
    return _new(candidate, rows)


def _pretrained(candidate: Candidate, rows: DataFacts, known: Knowledge | None) -> tuple[tuple[float, ...], list[str]]:
    card, reasons = candidate.card, []
    languages = ", ".join(card.languages) or "unknown languages"
    if known is not None:
        helps = known.helps
        counted = "counted words" if rows.modality == "text" else "a regression on pixels"
        told = f"its frozen features tell {known.features:.0%} of {known.rows:,} held-out rows"
        reasons.append(f"pre-trained: {told}, {counted} {known.baseline:.0%}")
    else:
        helps = rows.modality == "image" or not card.languages or rows.language in card.languages
        reasons.append(f"pre-trained on {languages}; the data are {rows.language}")
    few = rows.labels > 0 and rows.per_label < FEW
    order = TUNINGS_FEW if few else TUNINGS_MANY
    way = candidate.adapt if isinstance(candidate.adapt, str) else next(iter(candidate.adapt))
    if rows.labels:
        reasons.append(f"{'few' if few else 'enough'} labels ({rows.per_label:,.0f} rows each): {_TUNED[way]}")
    place = (0.0 if helps else 2.0, float(order.index(way)), -(known.features if known is not None else 0.0))
    return place, reasons


#: What a way of tuning does, as a reason.
_TUNED: Mapping[str, str] = {
    "full": "all weights learn",
    "lora": "small additions to the attention learn, the rest stays",
    "last-layers": "only the last layers learn, what lies below stays",
    "frozen": "only the head learns: the least work, and the least that can go wrong",
}


def _new(candidate: Candidate, rows: DataFacts) -> tuple[tuple[float, ...], list[str]]:
    order = NEW[rows.modality]
    name = candidate.name.removeprefix("new ")
    place = order.index(name) if name in order else len(order)  # a plug-in's: nothing is known of it
    reasons = [f"new: knows nothing but these {rows.train:,} rows"]
    if candidate.prepares:
        reasons.append("learns the language from the texts alone before it sees labels")
    return (1.0, float(place), 0.0), reasons
