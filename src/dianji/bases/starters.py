"""The registered bases whose weights come with an extra, and which of them a recipe for a language starts from."""

from __future__ import annotations

from dataclasses import dataclass

from dianji.bases import e5, minilm
from dianji.bases.base import Card
from dianji.bases.packaged import PackagedFile


@dataclass(frozen=True)
class Starter:
    """A small pre-trained base that needs no network."""

    card: Card
    weights: PackagedFile
    description: str

    @property
    def is_installed(self) -> bool:
        """Whether its weights are there."""
        return self.weights.is_installed()


#: Those for fewer languages come first: where they read the texts, they are smaller and quicker.
STARTERS = (
    Starter(minilm.CARD, minilm.WEIGHTS, "A small English sentence encoder"),
    Starter(e5.CARD, e5.WEIGHTS, f"A small sentence encoder for {len(e5.LANGUAGES)} languages"),
)


def starter_for(language: str) -> Starter | None:
    """The starter for texts in ``language``, a code such as ``zh``; None where none reads it."""
    return next((starter for starter in STARTERS if language in starter.card.languages), None)
