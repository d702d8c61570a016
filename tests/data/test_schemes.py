import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.data.schemes import Span, convert, faults, has_position, parse, scheme_of, spans_of, tags_of

SCHEMES = ("bio", "iob1", "bioes")


@st.composite
def sentences(draw):
    """Spans that do not overlap, some of them touching, and how many words there are."""
    spans, place = [], 0
    for _ in range(draw(st.integers(0, 5))):
        start = place + draw(st.integers(0, 2))
        place = start + draw(st.integers(1, 3))
        spans.append(Span(start, place, draw(st.sampled_from(("PER", "LOC", "B-x")))))
    return spans, place + draw(st.integers(0, 2))


@given(sentences(), st.sampled_from(SCHEMES))
def test_spans_survive_every_scheme(sentence, scheme):
    spans, words = sentence
    tags = tags_of(spans, words, scheme)
    assert len(tags) == words
    assert spans_of(tags) == spans
    assert list(faults(tags, scheme)) == []


@given(st.lists(sentences(), max_size=4), st.sampled_from(SCHEMES))
def test_a_scheme_that_is_told_reads_the_same_spans(rows, scheme):
    written = [tags_of(spans, words, scheme) for spans, words in rows]
    told = scheme_of(written)
    assert [convert(tags, "bio") for tags in written] == [tags_of(spans, words) for spans, words in rows]
    assert not any(fault for tags in written for fault in faults(tags, told))


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-PER", "I-PER"], "bio"),
        (["I-PER", "I-PER", "B-PER"], "iob1"),
        (["I-PER", "O"], "iob1"),
        (["B-PER", "E-PER"], "bioes"),
        (["S-PER"], "bioes"),
        (["B-PER", "I-PER", "L-PER", "U-LOC"], "bioes"),
        (["B-PER", "M-PER", "E-PER"], "bioes"),
        (["B-PER", "O", "I-PER"], "bio"),
        (["O"], "bio"),
        ([], "bio"),
    ],
)
def test_recognises_schemes(tags, scheme):
    assert scheme_of([tags]) == scheme


def test_letters_of_other_schemes_are_the_same():
    assert spans_of(["B-A", "L-A", "U-B", "B-C", "M-C", "E-C"]) == [
        Span(0, 2, "A"),
        Span(2, 3, "B"),
        Span(3, 6, "C"),
    ]


def test_tags_without_positions_are_a_span_each():
    assert spans_of(["NN", "NN", "O", "VB"]) == [Span(0, 1, "NN"), Span(1, 2, "NN"), Span(3, 4, "VB")]
    assert [has_position(tag) for tag in ("NN", "O", "B-", "B-X")] == [False, True, False, True]
    assert parse("O-") == ("S", "O-")


@pytest.mark.parametrize(
    ("tags", "scheme", "told"),
    [
        (["O", "I-PER"], "bio", [(1, "I-PER does not follow B-PER or I-PER")]),
        (["B-LOC", "I-PER"], "bio", [(1, "I-PER does not follow B-PER or I-PER")]),
        (["B-PER", "O"], "bioes", [(0, "B-PER is not followed by I-PER or E-PER")]),
        (["B-PER", "I-PER"], "bioes", [(1, "I-PER is not followed by I-PER or E-PER")]),
        (["S-PER", "E-PER"], "bioes", [(1, "E-PER does not follow B-PER or I-PER")]),
        (["I-PER", "B-LOC"], "iob1", []),
    ],
)
def test_says_what_breaks_a_scheme(tags, scheme, told):
    assert list(faults(tags, scheme)) == told


def test_refuses_spans_that_no_scheme_can_write():
    with pytest.raises(ValueError, match="overlap"):
        tags_of([Span(0, 2, "A"), Span(1, 3, "B")], 3)
    with pytest.raises(ValueError, match="not within 3 words"):
        tags_of([Span(2, 4, "A")], 3)
    with pytest.raises(ValueError, match="not within"):
        tags_of([Span(1, 1, "A")], 3)
