"""Unknown tokens by split and label: in the report, and as warnings from 5 %, loud ones from 50 %."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dianji.data.unknown import describe_unknown, warnings_of_unknown, with_unknown_tokens


def entry(unknown, tokens, classes=None):
    return describe_unknown(np.array(unknown), np.array(tokens), classes)


def test_the_entry_of_a_split():
    found = entry([0, 2, 4], [4, 4, 4], [["a"], ["a", "b"], ["b"]])
    assert found == {"tokens": 6, "of": 12, "share": 0.5, "rows": 1, "labels": {"b": 0.75, "a": 0.25}}
    assert json.loads(json.dumps(found)) == found
    assert entry([], []) == {"tokens": 0, "of": 0, "share": 0.0, "rows": 0}
    assert with_unknown_tokens({"rows": 3}, {"train": found})["unknown_tokens"] == {"train": found}
    assert with_unknown_tokens({"rows": 3}, {}) == {"rows": 3}


@pytest.mark.parametrize(("unknown", "told", "loud"), [(4, 0, 0), (5, 1, 0), (49, 1, 0), (50, 1, 1), (100, 1, 1)])
def test_thresholds(unknown, told, loud):
    found = warnings_of_unknown({"train": entry([unknown], [100])})
    assert len(found) == told
    assert sum("MOST TOKENS ARE UNKNOWN" in warning for warning in found) == loud
    assert all("Use a base whose tokenizer knows this script" in warning for warning in found)


def test_a_label_of_another_script_is_told_although_the_split_is_fine():
    (told,) = warnings_of_unknown({"test": entry([0] * 99 + [3], [4] * 100, [["en"]] * 99 + [["th"]])})
    assert told.startswith("test: MOST TOKENS OF A LABEL ARE UNKNOWN: ")
    assert "'th' 75%" in told
    assert "'en'" not in told


def test_rows_of_nothing_else_and_the_worst_labels_are_named():
    (told,) = warnings_of_unknown({"train": entry([4, 4, 0], [4, 4, 4], [["x"], ["y"], ["z"]])})
    assert "8 of 12 tokens (66.7%)" in told
    assert "2 rows hold nothing else" in told
    assert "(by label: 'x' 100%; 'y' 100%)" in told
