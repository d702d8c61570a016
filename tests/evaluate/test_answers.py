"""Agreement of answers, beside the official script of SQuAD and an oracle for the longest common run."""

import re
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.evaluate.answered import Answered, as_bytes
from dianji.evaluate.answers import exact_match, f1, is_chinese

WORDS = st.lists(st.sampled_from(["the", "Card", "card.", "a", "refund", "42", "re-fund", "An"]), max_size=5).map(
    " ".join
)
CHARACTERS = st.text(alphabet="银行卡转账AB12，。 ", max_size=8)


def normalize_answer(s):
    """As evaluate-v2.0.py has it."""

    def remove_articles(text):
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    exclude = set(string.punctuation)
    lowered = "".join(ch for ch in s.lower() if ch not in exclude)
    return " ".join(remove_articles(lowered).split())


def compute_f1(a_gold, a_pred):
    gold_toks, pred_toks = normalize_answer(a_gold).split(), normalize_answer(a_pred).split()
    num_same = sum((Counter(gold_toks) & Counter(pred_toks)).values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision, recall = num_same / len(pred_toks), num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
def test_english_equals_the_official_script(answer, golds):
    expected = max(compute_f1(gold, answer) for gold in golds)
    assert f1(answer, golds, chinese=False) == pytest.approx(expected)
    same = max(int(normalize_answer(gold) == normalize_answer(answer)) for gold in golds)
    assert exact_match(answer, golds, chinese=False) == same


def find_lcs(s1, s2):
    """As cmrc2018_evaluate.py has it."""
    m = [[0 for i in range(len(s2) + 1)] for j in range(len(s1) + 1)]
    mmax = 0
    for i in range(len(s1)):
        for j in range(len(s2)):
            if s1[i] == s2[j]:
                m[i + 1][j + 1] = m[i][j] + 1
                mmax = max(mmax, m[i + 1][j + 1])
    return mmax


def segments(text):
    bare = [c for c in text.lower().strip() if c not in "，。"]
    return re.findall(r"[\u4e00-\u9fa5]|[a-z0-9]+", "".join(bare))


@given(CHARACTERS, CHARACTERS)
def test_chinese_counts_the_longest_common_run(answer, gold):
    given_, wanted = segments(answer), segments(gold)
    common = find_lcs(given_, wanted)
    expected = 0.0 if not common else 2 * common / (len(given_) + len(wanted))
    assert f1(answer, [gold], chinese=True) == pytest.approx(expected)


def test_nothing_expected_is_right_only_when_nothing_is_said():
    assert exact_match("", [], chinese=False) == f1("", [], chinese=True) == 1.0
    assert exact_match("card", [], chinese=False) == f1("card", [], chinese=True) == 0.0


def test_chinese_is_recognised():
    assert is_chinese(["银行卡", "转账", "card"])
    assert not is_chinese(["card", "银行卡"])


def outcome(exact, unanswerable, gap, threshold=float("inf")):
    texts = as_bytes(["卡"] * len(exact))
    scores = np.array(exact, dtype=float)
    return Answered(scores, scores, np.array(unanswerable), np.array(gap, dtype=float), texts, texts, threshold)


def test_the_threshold_has_the_best_f1():
    rng = np.random.default_rng(0)
    for _ in range(20):
        unanswerable = rng.random(30) < 0.3
        exact = np.where(unanswerable, 0, rng.random(30))
        gap = np.round(rng.normal(size=30) + 2 * unanswerable, 1)
        found = outcome(exact, unanswerable, gap)
        best = found.best_threshold()
        value = outcome(exact, unanswerable, gap, best).f1_values().mean()
        tried = [outcome(exact, unanswerable, gap, t).f1_values().mean() for t in [-99.0, *(gap + 0.01), *(gap - 0.01)]]
        assert value == pytest.approx(max(tried))


def test_answers_are_described():
    told = outcome([1, 0], [False, True], [-1, 1], 0.0)
    assert told.describe(0) == ("卡", "卡")
    assert told.describe(1) == ("–", "–")
    assert told.right().tolist() == [True, True]
