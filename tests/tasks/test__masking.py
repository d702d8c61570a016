from __future__ import annotations

import numpy as np
import pytest

from dianji.tasks._masking import HAN, SPECIAL, choose, corrupt, draws, mark_han, ordinary_tokens, word_starts


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_rates_over_a_large_sample(rng):
    ids = rng.integers(5, 105, (400, 100))
    maskable = np.ones_like(ids, dtype=bool)
    maskable[:, [0, -1]] = False
    draw = draws(ids, maskable, rng, training=True)
    chosen = choose(maskable, np.ones_like(maskable), draw[0], 0.15)
    corrupted = corrupt(ids, chosen, draw[1], mask=4, ordinary=np.arange(5, 105))
    assert not chosen[:, [0, -1]].any()
    assert chosen[:, 1:-1].mean() == pytest.approx(0.15, abs=0.005)
    assert (corrupted[chosen] == 4).mean() == pytest.approx(0.8, abs=0.02)
    kept = corrupted[chosen] == ids[chosen]
    assert kept.mean() == pytest.approx(0.1 + 0.1 / 100, abs=0.02)
    replaced = corrupted[chosen & (corrupted != 4) & (corrupted != ids)]
    assert replaced.min() == 5
    assert replaced.max() == 104
    assert replaced.mean() == pytest.approx(54.5, abs=4)
    assert (corrupted[~chosen] == ids[~chosen]).all()


def test_at_least_one_token_where_there_is_any(rng):
    maskable = np.array([[False, True, True, False], [False] * 4, [False, False, True, False]])
    for _ in range(20):
        chosen = choose(maskable, np.ones_like(maskable), rng.random((3, 4)), 1e-9)
        assert chosen.sum(axis=1).tolist() == [1, 0, 1]
        assert not (chosen & ~maskable).any()


def test_an_empty_batch_is_fine(rng):
    nothing = np.zeros((0, 0), dtype=bool)
    assert choose(nothing, nothing, np.zeros((0, 0)), 0.15).shape == (0, 0)


def test_words_are_chosen_whole(rng):
    words = np.array([[SPECIAL, 0, 0, 0, 1, 2, 2, SPECIAL, SPECIAL]] * 2000)
    draw = rng.random((2, *words.shape))
    chosen = choose(words != SPECIAL, word_starts(words, draw[1]), draw[0], 0.3)
    for word in (0, 2):
        columns = chosen[:, words[0] == word]
        assert (columns.all(axis=1) == columns.any(axis=1)).all()
    assert (chosen[:, 1] != chosen[:, 4]).any()
    assert not chosen[:, words[0] == SPECIAL].any()


def test_han_characters_fall_into_spans_with_the_shares_of_macbert(rng):
    words = np.full((50, 400), HAN)
    starts = word_starts(words, rng.random(words.shape))
    lengths = np.concatenate([np.diff(np.flatnonzero(row)) for row in starts])
    shares = np.bincount(lengths, minlength=5)[1:] / len(lengths)
    np.testing.assert_allclose(shares, [0.4, 0.3, 0.2, 0.1], atol=0.02)


def test_a_span_ends_with_its_run(rng):
    words = np.array([[SPECIAL, HAN, HAN, 0, 0, HAN, HAN, 1, SPECIAL]] * 200)
    starts = word_starts(words, np.full(words.shape, 0.99))  # every span wants four
    assert (starts[:, 1:] == [[True, False, True, False, True, False, True, True]]).all()


def test_evaluation_draws_follow_from_the_tokens_alone(rng):
    ids = np.array([[7, 8, 9, 0], [5, 6, 0, 0]])
    real = ids > 0
    together = draws(ids, real, rng, training=False)
    alone = draws(ids[1:, :2], real[1:, :2], np.random.default_rng(99), training=False)
    np.testing.assert_array_equal(together[:, 1:, :2], alone)
    assert (together[:, 0, :2] != together[:, 1, :2]).all()
    assert (draws(ids, real, rng, training=True) != draws(ids, real, rng, training=True)).all()


def test_han_tokens_are_told_by_the_vocabulary(tokenizer):
    encoded = tokenizer(["my 银行卡s"])
    words = np.array([SPECIAL if word is None else word for word in encoded.word_ids(0)])
    marked = mark_han(np.array(encoded["input_ids"][0]), words, tokenizer)
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
    assert [word == HAN for word in marked] == [token in "银行卡" for token in tokens]
    assert marked[0] == marked[-1] == SPECIAL


def test_ordinary_tokens_are_not_special(tokenizer):
    ordinary = ordinary_tokens(tokenizer, 10**6)
    assert len(ordinary) == len(tokenizer) - 5
    assert not set(ordinary.tolist()) & set(tokenizer.all_special_ids)
    assert ordinary_tokens(tokenizer, 10).tolist() == [5, 6, 7, 8, 9]
