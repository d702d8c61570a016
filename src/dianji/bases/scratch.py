"""A base without pretraining: a registered architecture whose processor is fitted to the training split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import pyarrow as pa

from dianji.bases.base import Base, Card
from dianji.registry import record_of
from dianji.store.digest import digest_value


class Architecture(Protocol):
    """A frozen dataclass registered as ``architecture``; its card names the modality."""

    #: What the base will read.
    modality: ClassVar[str]
    #: Whether it can carry a classifier, so that advice may propose it for labels.
    classifies: ClassVar[bool]

    def card(self) -> Card:
        """What the base will be.

        Raises:
            RecipeError: the arguments do not go together.
        """
        ...

    def prepare(self, table: pa.Table, seed: int) -> Base:
        """Fit the processor to ``table``, the training split; the same table and seed give the same base."""
        ...


@dataclass(frozen=True)
class ScratchBase:
    """``{new: …}``. Weights are drawn when a task asks for its model."""

    architecture: Architecture
    seed: int

    def card(self) -> Card:
        """What the architecture says of itself."""
        return self.architecture.card()

    def digest(self) -> str:
        """Over the architecture's name, version and arguments, and the seed; the table's digest is the caller's."""
        return digest_value({"architecture": record_of(self.architecture), "seed": self.seed})

    def prepare(self, table: pa.Table) -> Base:
        """The base with a processor that was fitted to ``table``."""
        return self.architecture.prepare(table, self.seed)
