import numpy as np

from dianji.selections._mining import Mining, mine


def unit(*angles):
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles])


TEXTS = ["a", "b", "c", "d"]
POSITIVES = ["A", "B", "C", "D"]


def mined(queries, partners, texts=TEXTS, positives=POSITIVES, **rule):
    table, _ = mine(texts, positives, (unit(*queries), unit(*partners)), Mining(**rule))
    return list(zip(*(table[name].to_pylist() for name in ("text", "positive", "negative")), strict=True))


def test_the_most_similar_wrong_candidate_is_taken():
    found = mined([0, 1, 2, 3], [0, 1, 2, 3], margin=0.0)
    assert found == [("a", "A", "B"), ("b", "B", "A"), ("c", "C", "B"), ("d", "D", "C")]


def test_several_negatives_make_several_rows_and_some_may_be_skipped():
    assert mined([0, 1, 2, 3], [0, 1, 2, 3], margin=0.0, negatives=2)[:2] == [("a", "A", "B"), ("a", "A", "C")]
    assert mined([0, 1, 2, 3], [0, 1, 2, 3], margin=0.0, skip=1)[0] == ("a", "A", "C")


def test_a_candidate_as_close_as_the_positive_is_probably_right():
    """B lies closer to a than A does, and C nearly as close."""
    queries, partners = [0, 1, 2, 3], [0.5, 0.1, 0.52, 2]
    assert mined(queries, partners, margin=0.05)[0] == ("a", "A", "D")
    assert mined(queries, partners, margin=0.0)[0] == ("a", "A", "C")


def test_neither_the_text_itself_nor_another_positive_of_it_is_a_negative():
    texts, positives = ["a", "a", "A", "d"], ["A", "B", "a", "D"]
    found = mined([0, 0, 0.1, 3], [0.1, 0.2, 0.0, 2.0], texts, positives, margin=-2.0)
    assert [row for row in found if row[0] == "a"] == [("a", "A", "D"), ("a", "B", "D")]
    assert ("A", "a", "A") not in found


def test_a_pair_for_which_nothing_is_left_has_no_row():
    assert mined([0, 0], [0, 0], ["a", "b"], ["A", "B"]) == []
    empty = np.zeros((0, 2))
    assert mine([], [], (empty, empty), Mining())[0].num_rows == 0


def test_length_of_vectors_means_nothing():
    vectors = unit(0, 1, 2, 3)
    plain, _ = mine(TEXTS, POSITIVES, (vectors, vectors), Mining(margin=0.0))
    assert mine(TEXTS, POSITIVES, (3 * vectors, 0.5 * vectors), Mining(margin=0.0))[0].equals(plain)
