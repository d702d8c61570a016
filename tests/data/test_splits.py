from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dianji.data.splits import Keys, Shares, divide, proportional
from dianji.errors import DataError

shares = st.builds(Shares, st.floats(0.05, 0.4), st.floats(0.05, 0.4))
seeds = st.integers(0, 2**32 - 1)


def ranks(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(0, 2**63, rows).astype(np.uint64)


@given(rows=st.integers(5, 400), shares=shares, seed=seeds)
def test_fractions_are_kept_and_every_split_has_rows(rows, shares, seed):
    validation, test = shares.counts(rows)
    counts = np.bincount(divide(Keys(ranks(rows)), shares, seed), minlength=3)
    assert counts.tolist() == [rows - validation - test, validation, test]
    assert counts.min() >= 1
    assert abs(test - shares.test * rows) <= 1


@given(rows=st.integers(5, 200), seed=seeds)
def test_the_same_seed_divides_alike_and_row_order_does_not_matter(rows, seed):
    order = ranks(rows)
    classes = (order % 3).astype(np.int64)
    shuffle = np.random.default_rng(seed).permutation(rows)
    for keys, moved in (
        (Keys(order), Keys(order[shuffle])),
        (Keys(order, classes=classes), Keys(order[shuffle], classes=classes[shuffle])),
    ):
        first = divide(keys, Shares(0.1, 0.2), seed)
        assert (first == divide(keys, Shares(0.1, 0.2), seed)).all()
        assert (first[shuffle] == divide(moved, Shares(0.1, 0.2), seed)).all()


def test_another_seed_divides_otherwise():
    keys = Keys(ranks(300))
    assert (divide(keys, Shares(0.1, 0.2), 1) != divide(keys, Shares(0.1, 0.2), 2)).any()


@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=12), shares=shares, seed=seeds)
def test_classes_keep_their_shares_to_within_a_row(sizes, shares, seed):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    if len(classes) < 6:
        return
    codes = divide(Keys(ranks(len(classes)), classes=classes), shares, seed)
    wanted = np.array(shares.counts(len(classes))) / len(classes)
    for number, size in enumerate(sizes):
        counts = np.bincount(codes[classes == number], minlength=3)
        assert counts[0] >= 1  # nothing is tested that was never trained
        if counts[0] > 1:
            assert np.abs(counts[1:] - wanted * size).max() < 1 + 1e-6


@settings(max_examples=60)
@given(
    groups=st.lists(st.integers(0, 30), min_size=30, max_size=150),
    seed=seeds,
    with_classes=st.booleans(),
)
def test_groups_are_never_cut(groups, seed, with_classes):
    numbers = np.unique(groups, return_inverse=True)[1]
    if numbers.max() < 2:
        return
    classes = np.arange(len(groups)) % 3 if with_classes else None
    codes = divide(Keys(ranks(len(groups)), classes=classes, groups=numbers), Shares(0.2, 0.2), seed)
    for number in range(numbers.max() + 1):
        assert len(set(codes[numbers == number])) == 1
    assert set(codes) == {0, 1, 2}


def test_groups_keep_shares_roughly_where_they_are_small():
    groups = np.arange(900) // 3
    classes = (groups % 5 == 0).astype(np.int64)
    codes = divide(Keys(ranks(900), classes=classes, groups=groups), Shares(0.1, 0.2), 3)
    assert np.abs(np.bincount(codes) / 900 - [0.7, 0.1, 0.2]).max() < 0.02
    for code in range(3):
        assert abs(classes[codes == code].mean() - 0.2) < 0.03


def test_fewer_groups_than_splits_is_an_error():
    with pytest.raises(DataError, match="2 groups cannot be divided into 3 splits"):
        divide(Keys(ranks(20), groups=np.arange(20) % 2), Shares(0.1, 0.2), 0)


@given(times=st.lists(st.integers(0, 50), min_size=5, max_size=100), seed=seeds)
def test_the_oldest_train_and_the_newest_test(times, seed):
    moments = np.array(times)
    codes = divide(Keys(ranks(len(times)), times=moments), Shares(0.2, 0.2), seed)
    assert moments[codes == 0].max() <= moments[codes == 1].min()
    assert moments[codes == 1].max() <= moments[codes == 2].min()


def test_time_contradicts_group_and_stratify():
    with pytest.raises(DataError, match="by time"):
        divide(Keys(ranks(9), groups=np.arange(9), times=np.arange(9)), Shares(0.1, 0.2), 0)


@pytest.mark.parametrize(
    ("shares", "rows", "message"), [(Shares(0.6, 0.5), 100, "below 1"), (Shares(0.1, 0.2), 2, "too few")]
)
def test_impossible_fractions(shares, rows, message):
    with pytest.raises(DataError, match=message):
        divide(Keys(ranks(rows)), shares, 0)


def test_nothing_to_take_out_leaves_everything_in_training():
    assert not divide(Keys(ranks(3)), Shares(0.0, 0.0), 0).any()


@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=10), total=st.integers(0, 60))
def test_proportional_sums_up_and_stays_next_to_the_share(sizes, total):
    counts = np.array(sizes)
    total = min(total, counts.sum())
    found = proportional(counts, total, counts)
    assert found.sum() == total
    assert (found <= counts).all()
    assert np.abs(found - counts * total / max(1, counts.sum())).max() < 1
