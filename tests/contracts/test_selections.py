from __future__ import annotations

from typing import ClassVar

import pyarrow as pa
import pytest

from dianji.errors import CapabilityError
from dianji.selections.hard_negatives import HardNegatives
from dianji.selections.pseudo_labels import PseudoLabels
from dianji.tasks.base import Task
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.testing import toys
from dianji.testing.selection import SelectionContract


class TestPseudoLabels(SelectionContract):
    component = PseudoLabels

    def test_only_sure_rows_are_taken(self) -> None:
        found = self.selection().select(self.earlier(), self.read())
        assert found.of.tolist() == list(range(1, 24, 2))
        assert set(found.rows["label"].to_pylist()) == {"card"}


class TestFewPseudoLabels(SelectionContract):
    component = PseudoLabels
    arguments: ClassVar = {"probability": 0.3, "per_label": 3}

    def test_the_most_probable_rows_of_a_label_are_taken(self) -> None:
        assert self.selection().select(self.earlier(), self.read()).of.tolist() == [1, 3, 5]


class TestHardNegatives(SelectionContract):
    component = HardNegatives
    arguments: ClassVar = {"negatives": 2, "margin": -2.0}

    def table(self) -> pa.Table:
        return toys.pair_table()

    def task(self) -> Task:
        return SentenceEmbedding().fit(self.table())

    def test_each_pair_gets_its_negatives(self) -> None:
        found = self.selection().select(self.earlier(), self.read())
        assert found.of.tolist() == [row for row in range(24) for _ in range(2)]
        pairs = zip(found.rows["positive"].to_pylist(), found.rows["negative"].to_pylist(), strict=True)
        assert all(positive != negative for positive, negative in pairs)


@pytest.mark.parametrize("selection", [PseudoLabels(), HardNegatives()])
def test_another_task_makes_no_such_rows(selection):
    with pytest.raises(CapabilityError, match=r"needs an earlier stage that .* found 'masked-language'"):
        selection.reads(MaskedLanguage())
