"""Aligned text: wide characters, control characters, cutting."""

from pathlib import Path

import pytest

from dianji.cli.tables import clean, near, print_table, shorten, width


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("卡片", 4), ("é", 1), ("e\u0301", 1), ("，", 2), ("", 0)])
def test_width(text: str, columns: int):
    assert width(text) == columns


def test_columns_stand_under_each_other_with_wide_characters(capsys):
    print_table(["标签", "n"], [["退款", "5"], ["card", "12"]], right={1})
    assert capsys.readouterr().out.splitlines() == ["  标签   n", "  退款   5", "  card  12"]


def test_cells_stay_on_their_line_and_cannot_steer_a_terminal():
    assert clean("a\nb\x1b[31mc\u2028d") == "a b [31mc d"


@pytest.mark.parametrize(("columns", "told"), [(4, "卡片"), (3, "卡…"), (2, "…"), (9, "卡片")])
def test_shorten(columns: int, told: str):
    assert shorten("卡片", columns) == told


def test_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert near(tmp_path / "a" / "b") == "a/b"
    assert near(tmp_path.parent / "c") == str(tmp_path.parent / "c")
