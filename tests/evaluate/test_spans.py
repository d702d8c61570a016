import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.data.schemes import spans_of, tags_of
from dianji.evaluate.metrics.language import TokenAccuracy
from dianji.evaluate.metrics.spans import SpanF1, SpanMacroF1, SpanPrecision, SpanRecall
from dianji.evaluate.ragged import Ragged, offsets_of
from dianji.evaluate.spans import SURE, Spans

LABELS = ("LOC", "PER")
TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def ragged(rows):
    values = np.array([span for row in rows for span in row], dtype=np.int64).reshape(-1, 3)
    return Ragged(values, offsets_of([len(row) for row in rows]))


def outcome(gold, given, tokens=9, margins=None):
    rows = len(gold)
    return Spans(
        LABELS,
        ragged(gold),
        ragged(given),
        np.full(rows, tokens),
        np.full(rows, tokens // 2),
        np.full(rows, SURE, dtype=np.float32) if margins is None else np.array(margins, dtype=np.float32),
    )


def of_tags(gold, given):
    def numbers(tags):
        return [[start, end, LABELS.index(label)] for start, end, label in spans_of(tags)]

    hits = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(gold, given, strict=True)]
    sizes = [len(tags) for tags in gold]
    return Spans(
        LABELS,
        ragged(list(map(numbers, gold))),
        ragged(list(map(numbers, given))),
        np.array(sizes),
        np.array(hits),
        np.full(len(gold), SURE, dtype=np.float32),
    )


def plain(metric, of):
    return float(metric(of, np.ones((1, of.rows)))[0])


@st.composite
def corpora(draw):
    pair = st.integers(0, 6).flatmap(
        lambda n: st.tuples(*[st.lists(st.sampled_from(TAGS), min_size=n, max_size=n)] * 2)
    )
    return draw(st.lists(pair, min_size=1, max_size=5).filter(lambda pairs: any(first for first, _ in pairs)))


@given(corpora())
def test_equals_seqeval(pairs):
    """Micro and by type, also of tags that no scheme allows, which seqeval's default mode reads as conlleval does."""
    seqeval = pytest.importorskip("seqeval.metrics")
    gold, given = (list(side) for side in zip(*pairs, strict=True))
    found = of_tags(gold, given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about labels without spans, which count as 0
        for metric, name in ((SpanF1(), "f1"), (SpanPrecision(), "precision"), (SpanRecall(), "recall")):
            assert plain(metric, found) == pytest.approx(
                getattr(seqeval, f"{name}_score")(gold, given, zero_division=0)
            )
        assert plain(TokenAccuracy(), found) == pytest.approx(seqeval.accuracy_score(gold, given))
        report = seqeval.classification_report(gold, given, output_dict=True, zero_division=0) if _any(pairs) else {}
    counts = found.counts(np.ones((1, found.rows)))
    for number, label in enumerate(LABELS):
        if label in report:
            ours = [of[0, number] for of in (counts.precision(), counts.recall(), counts.f1())]
            assert ours == pytest.approx([report[label][name] for name in ("precision", "recall", "f1-score")])
            assert found.support().get(label, 0) == report[label]["support"]
    if report:
        assert plain(SpanMacroF1(), found) == pytest.approx(report["macro avg"]["f1-score"])


def _any(pairs):
    return any(tag != "O" for pair in pairs for tags in pair for tag in tags)


@given(corpora())
def test_equals_counting_by_hand(pairs):
    """The oracle of seqeval's documented rule: sets of (row, start, end, label)."""
    sides = [
        {(row, *span) for row, tags in enumerate(side) for span in spans_of(tags)} for side in zip(*pairs, strict=True)
    ]
    hits, predicted, support = len(sides[0] & sides[1]), len(sides[1]), len(sides[0])
    found = of_tags(*(list(side) for side in zip(*pairs, strict=True)))
    assert plain(SpanF1(), found) == pytest.approx(2 * hits / (predicted + support) if predicted + support else 0)
    assert plain(SpanPrecision(), found) == pytest.approx(hits / predicted if predicted else 0)
    assert plain(SpanRecall(), found) == pytest.approx(hits / support if support else 0)
    right = [spans_of(gold) == spans_of(given) for gold, given in pairs]
    assert found.right().tolist() == right


def test_says_rows_in_words():
    found = outcome([[[0, 1, 0], [3, 5, 1]], []], [[], [[2, 3, 1]]])
    assert found.describe(0) == ("LOC 1, PER 4–5", "–")
    assert found.describe(1) == ("–", "PER 3")
    assert found.support() == {"LOC": 1, "PER": 1}


def test_rows_can_be_taken_and_joined():
    found = outcome([[[0, 1, 0]], [[1, 2, 1]], []], [[[0, 1, 0]], [], []])
    parts = [found.take(np.array([row])) for row in range(3)]
    assert (Spans.join(parts).distance(found) == 0).all()
    assert found.take(np.array([1])).describe(0) == ("PER 2", "–")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([[0, 10, 0]], "outside its row"),
        ([[2, 2, 0]], "empty or outside"),
        ([[0, 1, 2]], "none of the labels"),
        ([[0, 2, 0], [1, 3, 1]], "overlap"),
        ([[3, 4, 0], [1, 2, 1]], "not in order"),
    ],
)
def test_checks_itself(given, told):
    assert any(told in fault for fault in outcome([[]], [given]).check())


def test_finds_more_hits_than_words():
    found = outcome([[]], [[]])
    assert not found.check()
    found.hits[:] = 10
    assert found.check() == ["a row has more right words than words"]


def test_a_near_tie_may_be_decided_otherwise():
    first = outcome([[]], [[[0, 1, 0]]], margins=[1e-5])
    assert first.distance(outcome([[]], [[]], margins=[2e-5])).tolist() == [0.0]
    assert outcome([[]], [[[0, 1, 0]]]).distance(outcome([[]], [[]])).tolist() == [np.inf]


def test_every_scheme_scores_alike():
    spans = [spans_of(["B-PER", "I-PER", "O", "B-LOC"])]
    for scheme in ("bio", "iob1", "bioes"):
        assert spans_of(tags_of(spans[0], 4, scheme)) == spans[0]
