from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dianji.data.splits import Keys, Shares, divide, proportional
from dianji.data.transductive import keep_known, unseen
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


def test_time_contradicts_stratify():
    with pytest.raises(DataError, match="by time"):
        divide(Keys(ranks(9), classes=np.arange(9) % 2, times=np.arange(9)), Shares(0.1, 0.2), 0)


events = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 40)), min_size=20, max_size=120)


@given(events=events, seed=seeds)
def test_groups_in_time_are_whole_and_newer_than_what_trains(events, seed):
    groups = np.unique([group for group, _ in events], return_inverse=True)[1]
    times = np.array([time for _, time in events])
    if len(np.unique(groups)) < 3:
        return
    codes = divide(Keys(ranks(len(events)), groups=groups, times=times), Shares(0.2, 0.2), seed)
    newest = {group: times[groups == group].max() for group in np.unique(groups)}
    splits = {group: set(codes[groups == group].tolist()) for group in newest}
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {0, 1, 2}
    ends = [[newest[group] for group, found in splits.items() if found == {code}] for code in range(3)]
    assert max(ends[0]) <= min(ends[1])
    assert max(ends[1]) <= min(ends[2])


def test_too_few_groups_in_time_is_an_error():
    with pytest.raises(DataError, match="2 groups cannot be divided into 3 splits"):
        divide(Keys(ranks(20), groups=np.arange(20) % 2, times=np.arange(20)), Shares(0.1, 0.2), 0)


@given(events=events, seed=seeds, last=st.integers(1, 2))
def test_the_last_of_each_value_are_left_out(events, seed, last):
    users = np.unique([user for user, _ in events], return_inverse=True)[1]
    times = np.array([time for _, time in events])
    keys, shares = Keys(ranks(len(events)), times=times, within=users), Shares(0.1, 0.2, last=last)
    if np.bincount(users).max() <= 2 * last:
        with pytest.raises(DataError, match="Lower last"):
            divide(keys, shares, seed)
        return
    codes = divide(keys, shares, seed)
    for user in np.unique(users):
        mine, when = codes[users == user], times[users == user]
        if len(mine) <= 2 * last:
            assert set(mine.tolist()) == {0}
            continue
        assert [int((mine == code).sum()) for code in (1, 2)] == [last, last]
        assert when[mine == 0].max() <= when[mine == 1].min()
        assert when[mine == 1].max() <= when[mine == 2].min()


def test_within_a_value_by_fractions():
    users, times = np.arange(200) % 10, np.arange(200)
    codes = divide(Keys(ranks(200), times=times, within=users), Shares(0.1, 0.2), 0)
    for user in range(10):
        assert codes[users == user].tolist() == [0] * 14 + [1] * 2 + [2] * 4


@given(
    rows=st.integers(60, 120),
    folds=st.integers(2, 7),
    seed=seeds,
    kind=st.sampled_from(["plain", "classes", "groups"]),
    validation=st.sampled_from([0.0, 0.2]),
)
def test_every_row_tests_in_one_fold(rows, folds, seed, kind, validation):
    numbers = np.where(np.arange(rows) < 2, 10 + np.arange(rows), np.arange(rows) % 10)
    keys = Keys(ranks(rows), **({} if kind == "plain" else {kind: numbers}))
    found = [divide(keys, Shares(validation, 0.2, folds=folds, fold=fold), seed) for fold in range(folds)]
    tested = np.sum([codes == 2 for codes in found], axis=0)
    alone = np.bincount(numbers)[numbers] == 1
    assert np.array_equal(tested, np.where(alone, 0, 1) if kind == "classes" else np.ones(rows))
    sizes = [int((codes == 2).sum()) for codes in found]
    assert kind == "groups" or max(sizes) - min(sizes) <= 1 + int(alone.sum())
    for codes in found:
        assert ((codes == 1).any()) == bool(validation)
        assert (codes == 0).any()
        if kind == "groups":
            assert all(len(set(codes[numbers == group].tolist())) == 1 for group in range(12))
        if kind == "classes":
            assert set(numbers[codes == 2]) <= set(numbers[codes == 0])


def test_more_folds_than_rows_or_groups_is_an_error():
    with pytest.raises(DataError, match="3 rows cannot be divided into 4 folds"):
        divide(Keys(ranks(3)), Shares(0.0, 0.2, folds=4), 0)
    with pytest.raises(DataError, match="2 groups cannot be divided into 3 folds"):
        divide(Keys(ranks(9), groups=np.arange(9) % 2), Shares(0.0, 0.2, folds=3), 0)


@given(
    triples=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=8, max_size=120),
    seed=seeds,
    data=st.data(),
)
def test_what_is_tested_is_known_from_training(triples, seed, data):
    columns = [np.array(column) for column in zip(*triples, strict=True)]
    codes = divide(Keys(ranks(len(triples))), Shares(0.2, 0.2), seed)
    before = np.bincount(codes, minlength=3)
    given_rows = data.draw(st.sets(st.integers(0, len(triples) - 1), max_size=3))
    movable = np.array([row for row in range(len(triples)) if row not in given_rows])
    fixed = codes.copy()
    owed = keep_known(codes, columns, movable)
    assert all(codes[row] == fixed[row] for row in given_rows)
    for column in columns:
        assert set(unseen(codes, column).tolist()) <= given_rows
    after = np.bincount(codes, minlength=3)
    assert after[0] - before[0] == owed
    if owed:  # no training row could be spared
        for row in movable[codes[movable] == 0]:
            assert any(((column == column[row]) & (codes == 0)).sum() == 1 for column in columns)


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


@given(rows=st.integers(12, 200), seed=seeds, folds=st.sampled_from([None, 3]))
def test_groups_are_divided_alike_whatever_else_rows_hold(rows, seed, folds):
    groups = np.arange(rows) // 3
    how = Shares(0.2, 0.2, folds=folds)
    first = divide(Keys(ranks(rows), groups=groups), how, seed)
    assert (first == divide(Keys(ranks(rows)[::-1], groups=groups), how, seed)).all()
