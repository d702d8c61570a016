from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.data.quality.pairs import within
from dianji.data.quality.texts import LEAST, Shingled, is_dense, prepared

SENTENCE = "where is my new card it has not come yet please send the money back today i want to know why"
WORDS = SENTENCE.split()


def shingles(text: str) -> set[str]:
    """The slow way."""
    text = prepared(text)
    width = 2 if is_dense(text) else 4
    text = text.ljust(width, "\0")
    return {text[at : at + width] for at in range(len(text) - width + 1)}


def jaccard(one: str, other: str) -> float:
    return len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))


def variants(seed: int, originals: int = 40, copies: int = 3) -> list[str]:
    """Sentences, and copies of them with words left out, changed or added."""
    rng = random.Random(seed)
    texts = []
    for _ in range(originals):
        words = rng.choices(WORDS, k=rng.randint(3, 25))
        texts.append(" ".join(words))
        for _ in range(copies):
            changed = list(words)
            for _ in range(rng.randint(1, 3)):
                place = rng.randrange(len(changed))
                changed[place : place + rng.randint(0, 1)] = rng.choices(WORDS, k=rng.randint(0, 1))
                changed = changed or ["card"]
            texts.append(" ".join(changed))
    return texts


def grouped(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


def slow_groups(texts: list[str]) -> set[frozenset[int]]:
    groups = {place: {place} for place in range(len(texts))}
    for left, right in itertools.combinations(range(len(texts)), 2):
        if jaccard(texts[left], texts[right]) >= LEAST and groups[left] is not groups[right]:
            groups[left] |= groups[right]
            for place in groups[right]:
                groups[place] = groups[left]
    return {frozenset(group) for group in groups.values()}


@given(st.lists(st.text(st.sampled_from("ab c我的卡é!🙂\0"), min_size=1, max_size=12), min_size=2, max_size=6))
def test_likeness_is_the_jaccard_similarity_of_all_pairs(texts):
    measure = Shingled.of(texts, 100)
    left, right = np.array(list(itertools.product(range(len(texts)), repeat=2))).T
    slow = [jaccard(texts[one], texts[other]) for one, other in zip(left, right, strict=True)]
    assert measure.likeness(left, right).tolist() == pytest.approx(slow)


@pytest.mark.parametrize("seed", range(5))
def test_minhash_finds_the_groups_that_comparing_all_pairs_finds(seed):
    texts = variants(seed)
    pairs = within(Shingled.of(texts, 1000))
    assert len(pairs.left) > 10
    assert pairs.likeness.tolist() == pytest.approx(
        [jaccard(texts[one], texts[other]) for one, other in zip(pairs.left, pairs.right, strict=True)]
    )
    assert grouped(pairs.groups(len(texts))) == slow_groups(texts)


def test_chunks_change_nothing(monkeypatch):
    texts = variants(9)
    whole = Shingled.of(texts, 1000)
    monkeypatch.setattr("dianji.data.quality.texts._CHUNK", 50)
    monkeypatch.setattr("dianji.data.quality.texts._PAIRS", 7)
    parts = Shingled.of(texts, 1000)
    assert np.array_equal(whole.values, parts.values)
    assert np.array_equal(whole.starts, parts.starts)
    assert np.array_equal(whole.bands, parts.bands)
    left, right = np.arange(len(texts) - 1), np.arange(1, len(texts))
    assert np.array_equal(whole.likeness(left, right), parts.likeness(left, right))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my card?", "where is my  CARD"),
        ("我的卡在哪里？", "我的卡 在哪里"),
        ("ＡＢＣ　１２３４", "abc 1234"),  # full-width letters are the point
    ],
)
def test_case_punctuation_width_and_chinese_spaces_do_not_count(one, other):
    assert Shingled.of([one, other], 100).likeness(np.array([0]), np.array([1])) == 1


def test_signs_alone_are_kept():
    assert prepared("!?") == "!?"
    assert Shingled.of(["!?", "??"], 100).likeness(np.array([0]), np.array([1])) < LEAST


def test_only_the_beginnings_are_read():
    texts = ["the same beginning and one end", "the same beginning and another"]
    ends = np.array([0]), np.array([1])
    assert Shingled.of(texts, 18).likeness(*ends) == 1
    assert Shingled.of(texts, 30).likeness(*ends) < LEAST


def test_no_texts_are_no_pairs():
    measure = Shingled.of([], 10)
    assert len(within(measure).left) == 0
    assert within(measure).groups(0).tolist() == []
