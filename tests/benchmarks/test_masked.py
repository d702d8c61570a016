from __future__ import annotations

import pytest

from dianji.bases.resolve import resolve
from dianji.spec.sections import NewBase
from dianji.tasks.masked_language import MaskedLanguage
from dianji.testing.toys import text_table
from tests.benchmarks.loading import load

masked = load("suite.masked")


@pytest.mark.parametrize("block", [4, 5, 8])
def test_windows_are_those_that_dianji_cuts(block: int):
    table = text_table().select(["text"])
    new = {"new": "transformer", "layers": 1, "width": 8, "heads": 2, "vocabulary": 60, "length": 8}
    base = resolve(NewBase.model_validate(new), "text").prepare(table)
    encoded = MaskedLanguage(length=block).encode(table, base)
    tokens = [len(base.processor(text, add_special_tokens=False)["input_ids"]) for text in table["text"].to_pylist()]
    assert sorted(masked.windows(tokens, block)) == sorted(encoded["length"].to_pylist())


def test_every_work_trains_a_set_that_there_is():
    sets = load("suite.sets")
    assert {work.novels for work in masked.WORKS.values()} <= sets.NOVELS.keys() <= sets.SETS.keys()
