"""Text classification: one label per text, or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dianji.registry import component
from dianji.tasks.answers import OneLabel, SeveralLabels
from dianji.tasks.composed import Classification
from dianji.tasks.texts import Texts


@component("task", "text-classification")
@dataclass(frozen=True)
class TextClassification(Classification):
    """A linear layer over the pooled backbone, or the architecture's own classifier.

    Args:
        several: a row has any number of labels, in a column ``labels``, each with a probability of its own.
        pooling: mean of the tokens, first token, the architecture's own head (native), or as the base's card says.
        length: tokens that are read of a text; by default 256, or the base's limit if that is less.
        threshold: with ``several``, labels of at least this probability are predicted.
        labels: learnt by ``fit``; naming them fixes their order.
    """

    several: bool = False
    pooling: Literal["auto", "mean", "first", "native"] = "auto"
    length: Annotated[int, Field(gt=0)] | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    labels: tuple[str, ...] = ()

    modality: ClassVar[str] = "text"
    hub_name: ClassVar[str] = "text-classification"

    @property
    def reader(self) -> Texts:
        """Texts."""
        return Texts(self.length, self.pooling)

    @property
    def answer(self) -> OneLabel | SeveralLabels:
        """One label, or several."""
        return SeveralLabels(self.labels, self.threshold) if self.several else OneLabel(self.labels)
