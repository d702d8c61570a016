import random

import numpy as np
import pytest

from dianji.errors import CapabilityError
from dianji.evaluate.bootstrap import estimate
from dianji.evaluate.generated import Generated, packed, unpacked
from dianji.evaluate.metrics import translation
from dianji.evaluate.metrics.rouge import Rouge1, Rouge2, RougeL
from dianji.evaluate.metrics.translation import Bleu, Chrf, ExactMatch, LengthRatio
from dianji.evaluate.ngrams import common_subsequence, ngrams, overlap

sacrebleu = pytest.importorskip("sacrebleu")

ENGLISH = [
    "A man in an orange hat is staring at something.",
    "Two young, white males are outside near many bushes.",
    "It's 5,000 dollars (not 50%) - isn't it?",
    "",
    "  Spaces   around and within  ",
    "Ein Mädchen klettert über das „Spielhaus“ aus Holz.",
]
CHINESE = ["我喜欢吃苹果。", "今天天气很好，我们去公园吧！", "北京是中国的首都", "OK，我在 3 点到。"]


def disturbed(texts, seed, share=0.25):
    rng = random.Random(seed)
    return ["".join(sign for sign in text if rng.random() > share) for text in texts]


def value(metric, answers, references):
    return metric(Generated.of(answers, references), np.ones((1, len(answers))))[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, ENGLISH[:1], CHINESE[:2]], ids=["en", "zh", "en-1", "zh-2"])
def test_bleu_and_chrf_are_those_of_sacrebleu(texts, seed):
    answers = disturbed(texts, seed, share=0.05 * seed)
    tokenize = "zh" if texts[0] in CHINESE else "13a"
    expected = sacrebleu.corpus_bleu(answers, [texts], tokenize=tokenize).score
    assert value(Bleu(), answers, texts) == pytest.approx(expected, abs=1e-6)
    assert value(Chrf(), answers, texts) == pytest.approx(sacrebleu.corpus_chrf(answers, [texts]).score, abs=1e-6)


@pytest.mark.parametrize("tokenize", ["13a", "intl", "zh", "char", "none"])
def test_words_are_found_as_sacrebleu_finds_them(tokenize):
    answers = disturbed(ENGLISH + CHINESE, 1, share=0.05)
    expected = sacrebleu.corpus_bleu(answers, [ENGLISH + CHINESE], tokenize=tokenize).score
    assert value(Bleu(tokenize), answers, ENGLISH + CHINESE) == pytest.approx(expected, abs=1e-6)


def test_signatures_are_those_of_sacrebleu():
    for texts, tokenize in ((ENGLISH, "13a"), (CHINESE, "zh")):
        outcome = Generated.of(texts, texts)
        bleu, chrf = sacrebleu.BLEU(tokenize=tokenize), sacrebleu.CHRF()
        bleu.corpus_score(texts, [texts])
        chrf.corpus_score(texts, [texts])
        assert Bleu().signature(outcome) == str(bleu.get_signature())
        assert Chrf().signature(outcome) == str(chrf.get_signature())


def test_resampled_bleu_is_that_of_the_resampled_corpus():
    answers = disturbed(ENGLISH, 3)
    weights = np.array([[2.0, 0.0, 1.0, 1.0, 2.0, 0.0]])
    drawn = [row for row, count in enumerate(weights[0].astype(int)) for _ in range(count)]
    found = Bleu()(Generated.of(answers, ENGLISH), weights)[0]
    expected = sacrebleu.corpus_bleu([answers[row] for row in drawn], [[ENGLISH[row] for row in drawn]]).score
    assert found == pytest.approx(expected, abs=1e-6)


def test_rouge_by_hand():
    assert value(Rouge1(), ["the cat sat"], ["the cat sat on the mat"]) == pytest.approx(2 * 3 / 9)
    assert value(Rouge2(), ["the cat sat"], ["the cat sat on the mat"]) == pytest.approx(2 * 2 / 7)
    assert value(RougeL(), ["mat the cat"], ["the cat sat on the mat"]) == pytest.approx(2 * 2 / 9)
    assert value(RougeL(), ["The CAT, sat!"], ["the cat sat"]) == 1
    assert value(Rouge1(), ["Über"], ["über"]) == 1
    assert value(Rouge1(), ["苹果好"], ["苹果不好"]) == pytest.approx(2 * 3 / 7)
    assert value(Rouge1(), [""], ["word"]) == 0
    assert value(Rouge1(), ["我用iPhone"], ["iPhone"]) == pytest.approx(2 * 1 / 4)


def test_length_ratio_and_exact_match():
    assert value(LengthRatio(), ["abc"], ["abcdef"]) == pytest.approx(0.5)
    assert value(LengthRatio(), ["abc def"], ["abc"]) == pytest.approx(0.5)
    assert value(ExactMatch(), [" same ", "other"], ["same", "same"]) == 0.5
    assert estimate(ExactMatch(), Generated.of(["a", "b"], ["a", "c"]), 100, 0).n == 2


def test_texts_survive_as_bytes():
    texts = ["", "ä", "我", "a\nb", "👩‍👩‍👧"]
    assert unpacked(packed(texts)) == texts
    assert unpacked(packed([])) == []


def test_outcomes_join_and_are_checked():
    first, second = Generated.of(["a"], ["b"]), Generated.of(["c", "d"], ["e", "d"])
    joined = Generated.join([first, second])
    assert joined.texts == (["a", "c", "d"], ["b", "e", "d"])
    assert joined.exact().tolist() == [False, False, True]
    assert joined.quality().tolist() == [0, 0, 1]
    assert joined.right() is None
    assert joined.take(np.array([2])).describe(0) == ("d", "d")
    assert not joined.check()
    joined.answers.values[0] = 0xFF
    assert Generated(joined.answers, joined.references, joined.margin).check() == ["the answers are not UTF-8"]


def test_texts_that_differ_are_far_apart_unless_a_near_tie_decided():
    margin = np.array([1.0, 1e-5, 1e-5])
    first = Generated.of(["a", "b", "c"], ["x", "x", "x"], margin)
    second = Generated.of(["A", "B", "c"], ["x", "x", "y"], margin)
    assert first.distance(second).tolist() == [np.inf, 0.0, np.inf]
    assert first.distance(first).tolist() == [0.0, 0.0, 0.0]


def test_statistics_are_counted_once(monkeypatch):
    outcome = Generated.of(ENGLISH, ENGLISH)
    calls = []
    real = translation._tokenizer

    def counted(name):
        calls.append(name)
        return real(name)

    monkeypatch.setattr(translation, "_tokenizer", counted)
    for _ in range(3):
        Bleu()(outcome, np.ones((2, len(ENGLISH))))
    assert calls == ["13a"]


def test_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError(name)

    translation._tokenizer.cache_clear()
    monkeypatch.setattr(translation, "import_module", missing)
    with pytest.raises(CapabilityError, match=r"pip install .dianji\[text\]"):
        value(Bleu(), ["a"], ["a"])
    translation._tokenizer.cache_clear()


def test_common_subsequences_by_dynamic_programming():
    rng = random.Random(0)
    for _ in range(50):
        first, second = ([rng.choice("abcd") for _ in range(rng.randint(0, 12))] for _ in range(2))
        assert common_subsequence(first, second) == slow(first, second)


def slow(first, second):
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first, 1):
        for j, b in enumerate(second, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


def test_ngrams_overlap_as_often_as_both_have_them():
    assert overlap(ngrams("aaab", 1), ngrams("aabb", 1)) == 3
    assert ngrams(("x", "y", "x", "y"), 2) == {("x", "y"): 2, ("y", "x"): 1}
    assert not ngrams("ab", 3)
