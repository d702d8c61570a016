"""The forms in which examples of a sentence embedding come: which columns, which losses, which metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from dianji.data.columns import Column

FormName = Literal["pairs", "scored-pairs", "triplets", "classes", "texts"]
LossName = Literal["auto", "mnrl", "cosent", "mse", "triplet", "simcse", "tsdae"]

RANKING = ("mrr", "recall-at-1", "recall-at-5", "recall-at-10", "ndcg")
CORRELATION = ("spearman", "pearson")


@dataclass(frozen=True)
class Form:
    """One of the forms."""

    #: Columns of texts: the text itself, then those it is compared with.
    texts: tuple[str, ...]
    #: The first one is the default.
    losses: tuple[LossName, ...]
    metrics: tuple[str, ...] = RANKING
    #: The column of the target that is no text.
    target: tuple[str, Column] | None = None
    #: Whether a text and its partner may be of different kinds, such as a question and a passage.
    asymmetric: bool = False

    @property
    def columns(self) -> Mapping[str, Column]:
        """All columns; predicting needs the first text alone."""
        partners = {name: Column("text", target=True) for name in self.texts[1:]}
        return {self.texts[0]: Column("text"), **partners, **dict([self.target] if self.target else [])}


FORMS: Mapping[FormName, Form] = MappingProxyType(
    {
        "pairs": Form(("text", "positive"), ("mnrl",), asymmetric=True),
        "scored-pairs": Form(
            ("text", "other"), ("cosent", "mse"), CORRELATION, ("score", Column("number", target=True))
        ),
        "triplets": Form(("text", "positive", "negative"), ("mnrl", "triplet"), asymmetric=True),
        "classes": Form(("text",), ("mnrl",), target=("label", Column("label", target=True))),
        "texts": Form(("text",), ("simcse", "tsdae")),
    }
)
