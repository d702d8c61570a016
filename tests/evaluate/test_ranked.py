import numpy as np
import pytest

from dianji.errors import DataError
from dianji.evaluate.metrics.ranking import (
    MeanReciprocalRank,
    NormalisedDiscountedCumulativeGain,
    RecallAt1,
    RecallAt5,
    RecallAt10,
)
from dianji.evaluate.ranked import Retrieval, Search


def unit(*angles):
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], dtype=np.float32)


def pairs(queries, candidates, numbers=None, key=None, own=None):
    rows = len(queries)
    return Search(
        unit(*queries),
        unit(*candidates)[:, None],
        np.arange(rows) if key is None else np.array(key),
        np.full(rows, -1) if own is None else np.array(own),
        (np.arange(rows) if numbers is None else np.array(numbers))[:, None],
        np.ones((rows, 1), dtype=bool),
    )


def ranks(search):
    return [row.tolist() for row in search.complete().ranks]


def value(metric, outcome):
    return float(metric(outcome, np.ones((1, outcome.rows)))[0])


def test_every_query_is_ranked_against_the_whole_collection():
    assert ranks(pairs([0, 1, 2], [0.1, 1.1, 2.1])) == [[1], [1], [1]]
    assert ranks(pairs([0, 1, 2], [0.9, 2.1, 0.1])) == [[2], [3], [3]]


def test_ties_count_half_a_place():
    """One vector for everything gets the middle, not the top."""
    assert ranks(pairs([0, 1, 2], [0.5, 0.5, 0.5])) == [[2], [2], [2]]
    assert not pairs([0, 1, 2], [0.5, 0.5, 0.5]).complete().right().any()


def test_a_candidate_that_occurs_twice_is_one():
    found = pairs([0, 1, 2], [0.1, 0.1, 2.1], numbers=[0, 0, 2]).complete()
    assert found.wrong.tolist() == [1, 1, 1]
    assert [row.tolist() for row in found.ranks] == [[1], [1], [1]]


def test_rows_of_one_key_share_their_answers():
    assert ranks(pairs([0, 0, 2], [0.2, 0.1, 2.1], key=[0, 0, 1])) == [[1, 2], [1, 2], [1]]


def test_the_own_text_is_no_wrong_candidate_and_may_be_the_right_one():
    """The second row's positive is the first row's text."""
    found = pairs([0, 1.5], [0.4, 0.0], own=[1, 7]).complete()
    assert found.wrong.tolist() == [0, 1]
    assert [row.tolist() for row in found.ranks] == [[1], [2]]
    assert ranks(pairs([0, 1], [0, 0.9], own=[0, 1])) == [[1], [1]]


def test_classes_are_searched_among_themselves():
    labels = np.array([0, 0, 1, 2])
    vectors = unit(0, 0.1, 0.2, 3)
    number = np.arange(4)
    search = Search(
        vectors, vectors[:, None], labels, number, number[:, None], np.ones((4, 1), bool), among_themselves=True
    )
    found = search.complete()
    assert [row.tolist() for row in found.ranks] == [[1], [1.5], [], []]
    assert found.answerable.tolist() == [True, True, False, False]
    assert value(RecallAt1(), found) == 0.5, "rows without an answer do not count"
    assert not found.check()


def test_metrics_by_hand():
    found = pairs([0, 0, 2], [0.2, 2.5, 2.1], key=[0, 0, 1]).complete()
    assert [row.tolist() for row in found.ranks] == [[1, 3], [1, 3], [1]]
    assert value(RecallAt1(), found) == 1.0
    assert value(MeanReciprocalRank(), found) == 1.0
    assert value(RecallAt5(), found) == value(RecallAt10(), found) == 1.0
    two = (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    assert value(NormalisedDiscountedCumulativeGain(), found) == pytest.approx((2 * two + 1) / 3)
    assert value(NormalisedDiscountedCumulativeGain(at=1), found) == 1.0


def test_joined_parts_are_ranked_as_a_whole():
    search = pairs([0, 1, 2, 0.5], [0.9, 2.1, 0.1, 0.4])
    parts = [search.take(np.array([0, 1])), search.take(np.array([2, 3]))]
    assert (Search.join(parts).complete().distance(search.complete()) == 0).all()


def test_rounding_at_the_edge_of_a_tie_is_no_difference():
    one = pairs([0, 1, 2], [0.5, 0.5, 0.5]).complete()
    other = Retrieval(one.above, type(one.tied)(np.array([1, 2, 2]), one.tied.offsets), one.wrong)
    assert (one.distance(other) == 0).all()
    apart = Retrieval(type(one.above)(np.array([2, 0, 0]), one.above.offsets), other.tied, one.wrong)
    assert (one.distance(apart) > 0).tolist() == [False, False, False]
    beyond = Retrieval(
        type(one.above)(np.array([0, 0, 0]), one.above.offsets),
        type(one.above)(np.array([0, 0, 0]), one.above.offsets),
        one.wrong,
    )
    far = Retrieval(type(one.above)(np.array([2, 0, 0]), one.above.offsets), beyond.tied, one.wrong)
    assert (beyond.distance(far) > 0).tolist() == [True, False, False]


def test_other_numbers_of_answers_are_infinitely_far():
    one = pairs([0, 0, 2], [0.2, 0.1, 2.1], key=[0, 0, 1]).complete()
    other = pairs([0, 0, 2], [0.2, 0.1, 2.1], key=[0, 1, 2]).complete()
    assert np.isinf(one.distance(other)).any()


def test_nothing_to_rank_is_an_error():
    labels = np.arange(3)
    vectors = unit(0, 1, 2)
    search = Search(
        vectors, vectors[:, None], labels, labels, labels[:, None], np.ones((3, 1), bool), among_themselves=True
    )
    with pytest.raises(DataError, match="none of the 3 queries has a right candidate"):
        value(MeanReciprocalRank(), search.complete())


def test_places_outside_of_the_collection_are_found():
    found = pairs([0, 1, 2], [0.1, 1.1, 2.1]).complete()
    beyond = Retrieval(type(found.above)(np.array([0, 9, 0]), found.above.offsets), found.tied, found.wrong)
    assert beyond.check() == ["a rank is beyond the last candidate"]


def test_breakdown_counts_queries_by_the_best_rank():
    found = pairs([0, 1, 2], [0.9, 2.1, 0.1]).complete().breakdown()
    assert [(name, rows) for name, rows, _ in found.groups] == [("≤ 1", 0), ("≤ 3", 3), ("≤ 10", 3), ("≤ 100", 3)]
