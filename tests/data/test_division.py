"""Rows of files divided by users, folds and entities."""

import pytest

from dianji.data.source import UNIT
from dianji.errors import DataError
from tests.data.helpers import ROWS, read, texts, write_csv


def bought(user: int, place: int) -> tuple[str, str, str, str]:
    return f"user {user} bought thing {place}", "ab"[place % 2], f"u{user}", f"2026-01-{place + 1:02d}"


def test_the_last_of_each_user_are_left_out(tmp_path):
    records = [bought(user, place) for user in range(6) for place in range(2 if user == 5 else 8)]
    path = write_csv(tmp_path / "a.csv", records, "text,label,user,at")
    loaded = read(path, split={"time": "at", "within": "user", "last": 1})
    assert texts(loaded.splits["test"]) == [f"user {user} bought thing 7" for user in range(5)]
    assert texts(loaded.splits["validation"]) == [f"user {user} bought thing 6" for user in range(5)]
    assert "1 value of 'user' with too few rows" in "\n".join(loaded.warnings)
    assert len(set(loaded.splits["train"][UNIT].to_pylist())) == 6, "users are what the bootstrap draws"


def test_a_row_of_no_user_is_told(tmp_path):
    records = [*(bought(user, place) for user in range(3) for place in range(4)), ("x", "a", "", "2026-01-01")]
    path = write_csv(tmp_path / "a.csv", records, "text,label,user,at")
    with pytest.raises(DataError, match=r"split.within: no value of 'user' in a.csv, line 14"):
        read(path, split={"time": "at", "within": "user"})


def test_folds_take_turns(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    tests = [texts(read(path, split={"folds": 4, "fold": fold}).splits["test"]) for fold in range(1, 5)]
    assert sorted(text for test in tests for text in test) == sorted(text for text, _ in ROWS)
    (tmp_path / "d").mkdir()
    write_csv(tmp_path / "d" / "train.csv")
    write_csv(tmp_path / "d" / "test.csv", [("x", "card"), ("y", "loan")])
    with pytest.raises(DataError, match=r"a second one\. Leave out folds"):
        read(str(tmp_path / "d"), split={"folds": 4})


def test_tested_entities_are_known(tmp_path):
    records = [(f"t{n}", "ab"[n % 2], f"e{n % 5}", f"o{n // 2}") for n in range(20)]
    path = write_csv(tmp_path / "a.csv", records, "text,label,head,tail")
    of = {text: (head, tail) for text, _, head, tail in records}
    loaded = read(path, split={"transductive": ["head", "tail"], "test": 0.4})
    known = [of[text] for text in texts(loaded.splits["train"])]
    for split in ("validation", "test"):
        for head, tail in (of[text] for text in texts(loaded.splits[split])):
            assert head in {one for one, _ in known}
            assert tail in {one for _, one in known}
    given = write_csv(tmp_path / "b.csv", [("x", "a", "e1", "o1"), ("y", "b", "e1", "new")], "text,label,head,tail")
    with pytest.raises(DataError, match=r"values of 'tail' that no training row has: b.csv, line 3 \(test\)"):
        read(path, split={"transductive": ["head", "tail"], "test": given})
