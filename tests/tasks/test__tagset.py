import pytest
import torch

from dianji.data.schemes import Span, faults
from dianji.tasks._chains import NEVER
from dianji.tasks._tagset import TagSet


def test_classes_by_scheme():
    assert TagSet(("A", "B"), "bio").names == ("O", "B-A", "I-A", "B-B", "I-B")
    assert TagSet(("A",), "bioes").names == ("O", "B-A", "I-A", "E-A", "S-A")
    assert TagSet(("NN", "VB"), "plain").names == ("O", "NN", "VB")


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_spans_to_numbers_and_back(scheme):
    tags, spans = TagSet(("A", "B"), scheme), [Span(0, 1, "B"), Span(1, 4, "B"), Span(5, 6, "A")]
    assert tags.spans(tags.numbers(spans, 7)) == spans


def test_a_word_is_a_span_where_tags_are_plain():
    tags = TagSet(("NN", "VB"), "plain")
    assert tags.spans(tags.numbers([Span(0, 2, "NN"), Span(3, 4, "VB")], 4)) == [
        Span(0, 1, "NN"),
        Span(1, 2, "NN"),
        Span(3, 4, "VB"),
    ]
    assert all(not part.any() for part in tags.chain)


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_the_chain_allows_what_the_scheme_allows(scheme):
    tags = TagSet(("A", "B"), scheme)
    names, chain = tags.names, tags.chain
    for first, before in enumerate(names):
        alone = chain.begin[first] == 0 and chain.end[first] == 0
        assert alone == (not list(faults([before], scheme)))
        for second, after in enumerate(names):
            path = chain.begin[first] + chain.transitions[first, second] + chain.end[second]
            assert (path == 0) == (not list(faults([before, after], scheme))), (before, after)
    assert torch.stack([chain.begin, chain.end]).min() == NEVER or scheme == "bio"
