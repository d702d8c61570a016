"""What a comparison says, in both languages."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dianji.comparison import RULE
from dianji.pipeline.compare import _notes
from dianji.report.advice import note, recommendation, rule
from dianji.report.blocks import Words, said
from tests.narrow import sure
from tests.report.made import comparison

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def notes(*, finished=("a", "b"), split="test", rows=400, seeds=(0, 1, 2), parent=None):
    """As ``pipeline/compare.py`` writes them."""
    works = (SimpleNamespace(parent=parent),)
    planned: Any = SimpleNamespace(variants=[SimpleNamespace(name="a", works=works)], split=split, seeds=seeds)
    judge: Any = SimpleNamespace(finished=[SimpleNamespace(name=n) for n in finished], rows=rows)
    return list(_notes(planned, judge))


@pytest.mark.parametrize(
    "told",
    [
        {"finished": ("b", "c")},
        {"split": "validation"},
        {"rows": 9},
        {"finished": ("a",)},
        {"seeds": (0,)},
        {"seeds": (0, 1)},
        {"parent": object()},
    ],
)
def test_every_note_has_its_chinese(told):
    usual = notes()
    (new,) = [of for of in notes(**told) if of not in usual]
    for text in (new, *usual):
        words = note(text)
        assert isinstance(words, Words), text
        assert words.en == text
        assert CHINESE.search(words.zh)


def test_figures_of_notes_are_kept():
    assert "test 只有 9 行：配对检验至少需要 30 行" in said(note(notes(rows=9)[0]), "zh")


def test_an_unknown_note_stays_as_it_is():
    assert note("Something else.") == "Something else."


def test_what_is_cheaper_is_set_beside_the_best():
    words = sure(Words, recommendation(comparison()))
    assert words.en.startswith("Ship 'small")
    assert "与成绩最好的“full”无法区分（差值 -0.0100，95% 区间 -0.0200 – 0.0100）" in words.zh
    assert "“full”训练 120.0 s、每次预测 4.0 ms" in words.zh


def test_the_best_may_be_recommended():
    made: Any = comparison()
    best = replace(made.recommendation, variant="full", words="Ship 'full'.")
    alike = recommendation(replace(made, recommendation=best))
    assert alike == Words("Ship 'full'.", "建议采用“full”：成绩最好（0.9300），与它无法区分的变体开销更大。")
    full, small, _ = made.variants
    worse = replace(small, against_best=replace(small.against_best, verdict="worse"))
    alone = sure(Words, recommendation(replace(made, recommendation=best, variants=(full, worse))))
    assert alone.zh.endswith("没有其他变体与它相当。")


def test_the_rule_is_known():
    assert CHINESE.search(said(rule(RULE), "zh"))
    assert rule("another rule") == "another rule"
