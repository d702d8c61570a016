"""What is put before texts: as the recipe says, else as the base was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dianji.bases.base import Card
from dianji.tasks.chain import DOCUMENT, QUERY

_DOCUMENTS = (DOCUMENT, "passage", "corpus")


@dataclass(frozen=True)
class Prompts:
    """Of the text, and of the texts that it is compared with."""

    text: str = ""
    partner: str = ""

    @classmethod
    def of_base(cls, card: Card, text: str | None, partner: str | None, *, asymmetric: bool) -> Prompts:
        """What the recipe leaves open is taken from the card.

        Args:
            card: of the base.
            text: None: the card's prompt for queries.
            partner: None: the card's prompt for documents where the two sides differ, else that of the text.
            asymmetric: whether texts and partners may be of different kinds.
        """
        known = dict(card.prompts)
        first = known.get(QUERY, "") if text is None else text
        documents = next((known[name] for name in _DOCUMENTS if name in known), None) if asymmetric else None
        other = (first if documents is None or text is not None else documents) if partner is None else partner
        return cls(first, other)

    def of(self, is_text: bool, texts: Sequence[str]) -> list[str]:
        """The texts with what belongs before them."""
        prompt = self.text if is_text else self.partner
        return [prompt + text for text in texts] if prompt else list(texts)

    def named(self) -> dict[str, str]:
        """As a model folder names them; empty where there are none."""
        return {QUERY: self.text, DOCUMENT: self.partner} if self.text or self.partner else {}
