"""Text regression: one or several numbers for each text, or for each pair of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from dianji.errors import CapabilityError
from dianji.registry import component
from dianji.tasks.base import Outputs
from dianji.tasks.composed import Composed
from dianji.tasks.numbers import Numbers
from dianji.tasks.text_pairs import TextPairs
from dianji.tasks.texts import Texts


@component("task", "text-regression")
@dataclass(frozen=True)
class TextRegression(Composed):
    """A linear layer over the pooled backbone, or the architecture's own, trained on the mean squared error.

    Args:
        numbers: the columns that are learnt, such as ``score``; each holds a number per row.
        pair: read ``text`` and ``other`` together and judge the pair, such as their similarity.
        scale: the lowest and the highest number there can be. Other numbers in the data are refused, and predictions
            are moved inside. Null: any number.
        pooling: mean of the tokens, first token, the architecture's own head (native), or as the base's card says.
        length: tokens that are read of a text or pair; by default 256, or the base's limit if that is less.
        means: of each column, learnt by ``fit``.
        deviations: of each column, learnt by ``fit``; the model learns numbers that are scaled by both.
    """

    numbers: tuple[str, ...] = ("score",)
    pair: bool = False
    scale: tuple[float, float] | None = None
    pooling: Literal["auto", "mean", "first", "native"] = "auto"
    length: Annotated[int, Field(gt=0)] | None = None
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    modality: ClassVar[str] = "text"
    raw_outputs: ClassVar[str] = "scaled numbers: times the deviations, plus the means in dianji.json"

    def __post_init__(self) -> None:
        """Refuse arguments that contradict each other.

        Raises:
            CapabilityError: no columns, one that is named twice or read as text, or an empty scale.
        """
        read = [name for name in self.numbers if name in self.reader.columns]
        twice = sorted({name for name in self.numbers if self.numbers.count(name) > 1})
        if not self.numbers or read or twice:
            fault = f"'{read[0]}' is read as text" if read else f"'{twice[0]}' is named twice" if twice else "none"
            raise CapabilityError(f"numbers: expected the names of the columns that are learnt, found {fault}.")
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise CapabilityError(
                f"scale: expected the lowest and the highest number, found {self.scale[0]:g} and {self.scale[1]:g}."
            )
        if not len(self.means) == len(self.deviations) == len(self.numbers) * bool(self.means):
            raise CapabilityError("means and deviations: expected one for each of numbers, or leave both out.")

    def pair_scores(self, outputs: Outputs) -> np.ndarray | None:
        """The one number of each pair, scaled; None for single texts, or several numbers."""
        return outputs["logits"][:, 0].astype(np.float64) if self.pair and len(self.numbers) == 1 else None

    @property
    def reader(self) -> Texts | TextPairs:
        """Texts, or pairs of texts."""
        return TextPairs(self.length, self.pooling) if self.pair else Texts(self.length, self.pooling)

    @property
    def answer(self) -> Numbers:
        """Numbers."""
        return Numbers(self.numbers, self.scale, self.means, self.deviations)
