"""Text-pair classification: how two texts relate, such as entailment or paraphrase; one label per pair, or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from dianji.data.findings import Findings
from dianji.registry import component
from dianji.tasks.answers import OneLabel, SeveralLabels
from dianji.tasks.base import Outputs
from dianji.tasks.composed import Classification
from dianji.tasks.text_pairs import TextPairs

#: Labels that say that the second text of a pair answers the first, or belongs to it: what a search ranks by.
RELATED = frozenset(
    {"1", "yes", "true", "relevant", "answer", "match", "entailment", "paraphrase", "duplicate", "相关", "是", "蕴含"}
)


@component("task", "text-pair-classification")
@dataclass(frozen=True)
class TextPairClassification(Classification):
    """A cross-encoder: both texts in one input, under a linear layer or the architecture's own classifier.

    A classifier that the base already has for the same labels, in any order, is kept.

    Args:
        several: a row has any number of labels, in a column ``labels``, each with a probability of its own.
        pooling: mean of the tokens, first token, the architecture's own head (native), or as the base's card says.
        length: tokens of both texts together; by default 256, or the base's limit if that is less. Of longer pairs the
            longer text is cut first.
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
    def reader(self) -> TextPairs:
        """Pairs of texts."""
        return TextPairs(self.length, self.pooling)

    @property
    def answer(self) -> OneLabel | SeveralLabels:
        """One label, or several."""
        return SeveralLabels(self.labels, self.threshold) if self.several else OneLabel(self.labels)

    def pair_scores(self, outputs: Outputs) -> np.ndarray | None:
        """The logarithm of the probability of the one label in ``RELATED``; None where there is no such one label."""
        named = [number for number, label in enumerate(self.labels) if label.casefold() in RELATED]
        if self.several or len(named) != 1:
            return None
        logits = outputs["logits"].astype(np.float64)
        return np.asarray(logits[:, named[0]] - np.logaddexp.reduce(logits, axis=1))

    def check(self, table: pa.Table, findings: Findings) -> None:
        """Also warns of labels that are numbers: data sets do not agree on what they stand for."""
        super().check(table, findings)
        if self.several or "label" not in table.column_names:
            return
        names = sorted(label for label in set(table["label"].to_pylist()) if label is not None)
        if names and all(name.lstrip("-").isdecimal() for name in names):
            unmarked = " -1 marks pairs on which annotators did not agree: list it under drop." if "-1" in names else ""
            findings.warn(
                f"the labels of the pairs are numbers without names ({', '.join(names[:6])}), and data sets number "
                f"them differently (entailment is 0 in SNLI and RTE, 2 in others).{unmarked} Write names such as "
                "entailment into the label column, so that predictions can be read."
            )
