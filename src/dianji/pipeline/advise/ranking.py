"""Ranks candidates by measurements of their bases where there are any, else by general results; gives the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dianji.advice import Knowledge
from dianji.messages import Message
from dianji.pipeline.advise.candidates import Candidate

#: Ways to tune a pre-trained base, the best first, with many labels and with few: as they came out on BANKING77 with
#: all-MiniLM-L6-v2 (benchmarks/compare_banking77.py).
TUNINGS_MANY: Sequence[str] = ("full", "last-layers", "lora", "frozen")
TUNINGS_FEW: Sequence[str] = ("last-layers", "frozen", "full", "lora")
FEW = 20  # rows per label
MOST_NAMED = 5  # languages
MOST = 1000  # more than any base names: it may be all of them
#: New networks by modality, the best first, as they came out in benchmarks/advise.py. To learn the language from the
#: very rows whose labels are learnt next did not pay; from far more text it does.
NEW: Mapping[str, Sequence[str]] = {
    "text": ("transformer", "lstm", "text-cnn", "transformer, masked-language first"),
    "image": ("resnet", "cnn", "vit"),
}


@dataclass(frozen=True)
class DataFacts:
    """The properties of the data that decide the ranking."""

    train: int
    labels: int  # 0: there are none
    modality: Literal["text", "image"]
    language: str

    @property
    def per_label(self) -> float:
        """The average number of rows per label."""
        return self.train / max(1, self.labels)


def ranking_key(
    candidate: Candidate, rows: DataFacts, known: Knowledge | None
) -> tuple[tuple[float, ...], list[Message]]:
    """A sort key, the best candidate's the lowest, and the reasons for it."""
    if candidate.card.pretrained:
        return _pretrained(candidate, rows, known)
    return _new(candidate, rows)


def _pretrained(
    candidate: Candidate, rows: DataFacts, known: Knowledge | None
) -> tuple[tuple[float, ...], list[Message]]:
    card = candidate.card
    if known is not None:
        helps = known.helps
        figures = {"features": known.features, "rows": known.rows, "baseline": known.baseline}
        reasons = [Message(f"advice.features-and-{'words' if rows.modality == 'text' else 'pixels'}", figures)]
    else:
        helps = rows.modality == "image" or not card.languages or rows.language in card.languages
        languages: str | Message = ", ".join(card.languages) or Message("advice.unknown-languages")
        if len(card.languages) > MOST_NAMED:
            among = "among" if rows.language in card.languages else "beside"
            languages = Message(f"advice.{among}-languages", {"count": len(card.languages), "language": rows.language})
        reasons = [Message("advice.languages", {"languages": languages, "language": rows.language})]
    few = rows.labels > 0 and rows.per_label < FEW
    order = TUNINGS_FEW if few else TUNINGS_MANY
    way = candidate.adapt if isinstance(candidate.adapt, str) else next(iter(candidate.adapt))
    if rows.labels:
        amount = "few" if few else "enough"
        why: dict[str, float | Message] = {"per_label": rows.per_label, "tuning": Message(f"tuning.{way}")}
        reasons.append(Message(f"advice.{amount}-labels", why))
    # Of bases of which no more is known, one for fewer languages knows more of each.
    unknown = -known.features if known is not None else float(len(card.languages) or MOST)
    place = (0.0 if helps else 2.0, float(order.index(way)), unknown)
    return place, reasons


def _new(candidate: Candidate, rows: DataFacts) -> tuple[tuple[float, ...], list[Message]]:
    order = NEW[rows.modality]
    name = candidate.name.removeprefix("new ")
    place = order.index(name) if name in order else len(order)  # a plug-in's: nothing is known of it
    reasons = [Message("advice.new-network", {"rows": rows.train})]
    if candidate.prepares:
        reasons.append(Message("advice.prepares"))
    return (1.0, float(place), 0.0), reasons
