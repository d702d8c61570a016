from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dianji.data.quality import pairs
from dianji.data.quality.pairs import across, within


@dataclass(frozen=True)
class Numbers:
    """Numbers are alike that differ by at most one; a band holds ten of them, a second one is shifted by five."""

    values: np.ndarray
    least: float = 0.5

    @property
    def bands(self):
        return np.stack([self.values // 10, (self.values + 5) // 10], axis=1)

    def likeness(self, left, right):
        return 1.0 / (1.0 + np.abs(self.values[left] - self.values[right]))


def test_within_links_groups_across_bands():
    found = within(Numbers(np.array([8, 9, 10, 11, 30, 50, 51, 70])))
    assert found.groups(8).tolist() == [0, 0, 0, 0, 1, 2, 2, 3]
    assert (found.left < found.right).all()
    assert (found.likeness >= 0.5).all()


def test_pairs_that_share_no_band_are_never_compared():
    @dataclass(frozen=True)
    class Wary(Numbers):
        def likeness(self, left, right):
            assert (self.values[left] // 10 == self.values[right] // 10).all()
            return super().likeness(left, right)

        @property
        def bands(self):
            return self.values[:, None] // 10

    assert within(Wary(np.array([9, 10, 11]))).left.tolist() == [1]


def test_across_gives_each_query_one_partner():
    values = np.array([20, 41, 60, 21, 40, 42, 80])
    found = across(Numbers(values), np.array([0, 1, 2]), np.array([3, 4, 5, 6]))
    assert found.left.tolist() == [0, 1]
    assert found.right[0] == 3
    assert found.right[1] in (4, 5)


def test_nothing_to_look_for():
    none = np.empty(0, dtype=np.int64)
    measure = Numbers(np.array([1, 2, 3]))
    assert len(across(measure, none, np.array([0, 1])).left) == 0
    assert len(across(measure, np.array([0, 1]), none).left) == 0


def test_a_crowded_bucket_is_linked_without_comparing_all_pairs():
    compared = 0

    @dataclass(frozen=True)
    class Crowd:
        bands: np.ndarray
        least: float = 0.5

        def likeness(self, left, right):
            nonlocal compared
            compared += len(left)
            return np.ones(len(left))

    rows = 3000
    crowd = Crowd(np.zeros((rows, 4), dtype=np.int64))
    assert within(crowd).groups(rows).max() == 0
    found = across(crowd, np.arange(100), np.arange(100, rows))
    assert len(found.left) == 100
    assert compared <= (rows + 100) * pairs.REACH
