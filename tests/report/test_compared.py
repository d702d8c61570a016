"""A recipe's comparison as a chapter."""

import re

import pytest

from dianji.report.blocks import Document, Figure, Paragraph, Table, Words, said
from dianji.report.compared import comparison_chapter
from dianji.report.html import to_html
from dianji.report.markdown import to_markdown
from tests.narrow import sure
from tests.report.made import HOSTILE, comparison
from tests.report.page import Found


def page(found, language):
    return to_html(Document("desk", "", (comparison_chapter(found),)), language)


def test_scores_costs_and_what_to_ship():
    scores, costs = (block for block in comparison_chapter(comparison()).blocks if isinstance(block, Table))
    assert [row[0] for row in scores.rows] == ["full", f"small {HOSTILE}"]
    assert scores.rows[0][1:] == ("0.9300", "0.9100 – 0.9500", "", "", "")
    assert scores.rows[1][3:5] == ("-0.0100", "-0.0200 – +0.0100")
    assert said(sure(Words, scores.rows[1][5]), "zh") == "无法区分（p 0.400）"
    assert costs.rows[1][1:] == ("200", "1,000", "12.0 s", "256 MB", "1.0 ms", "4.0 MB")


def test_the_figure_sets_scores_beside_costs():
    (figure,) = (block for block in comparison_chapter(comparison()).blocks if isinstance(block, Figure))
    assert "full 0.9300 after 120.0 s; small" in sure(Words, figure.alt).en
    assert "up and to the left is better; the recommended variant stands out" in sure(Words, figure.caption).en
    (lower,) = (
        block
        for block in comparison_chapter(comparison(higher_is_better=False, recommendation=None)).blocks
        if isinstance(block, Figure)
    )
    assert sure(Words, lower.caption).en.endswith("down and to the left is better")
    assert sure(Words, lower.caption).zh.endswith("越靠左下越好")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_names_and_failures_are_escaped(language):
    text = page(comparison(), language)
    assert Found(text).faults == []
    assert "<script" not in text
    written = to_markdown(Document("desk", "", (comparison_chapter(comparison()),)), language, "pictures").text
    assert not re.search(r"(?<!\\)<script", written)


def test_everything_of_ours_is_said_in_both_languages():
    english, chinese = Found(page(comparison(), "en")).text, Found(page(comparison(), "zh")).text
    assert "The rule: Of the variants that are not distinguishable" in english
    assert "推荐的规则：" in chinese
    assert "个随机种子只能粗略看出" in chinese
    assert "“broken”运行失败" in chinese
    assert "'broken' failed with seed 3" in english
    assert not any(ours in chinese for ours in ("Ship", "The rule", "roughly", "failed", "interval"))
    assert "Ship 'small" in english
    assert "与成绩最好的“full”无法区分（差值 -0.0100，95% 区间 -0.0200 至 +0.0100）" in chinese
    assert "预测速度是后者的 4.0 倍" in chinese


def test_nothing_is_recommended_where_nothing_was():
    text = Found(page(comparison(recommendation=None), "en")).text
    assert "The rule" not in text
    assert "stands out" not in text


def test_a_comparison_that_was_not_run_is_one_sentence():
    (only,) = comparison_chapter(None).blocks
    assert isinstance(only, Paragraph)
    assert "have not been compared yet" in sure(Words, only.text).en
    assert "尚未比较" in sure(Words, only.text).zh
