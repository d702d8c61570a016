import pyarrow as pa
import pytest

from dianji.data.findings import Findings
from dianji.data.schemes import Span
from dianji.errors import DataError
from dianji.tasks import _gold


def spans_table(text, *spans, source="notes.jsonl, line 7"):
    found = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    kind = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())]))
    return pa.table({"text": [text], "spans": pa.array([found], kind), "__source__": [source]})


def tags_table(words, tags):
    return pa.table({"tokens": [words], "tags": [tags]})


def gold(table, *, widen=False, repair=False, rule="auto"):
    findings = Findings()
    found = _gold.gold(table, _gold.passages(table, _gold.input_of(table), rule), findings, widen=widen, repair=repair)
    findings.check()
    return found


def test_spans_of_characters_become_spans_of_words():
    table = spans_table("Ada Lovelace, London", (14, 20, "LOC"), (0, 12, "PER"))
    assert gold(table) == [[Span(0, 2, "PER"), Span(3, 4, "LOC")]]
    assert gold(spans_table("我在北京", (2, 4, "LOC"))) == [[Span(2, 4, "LOC")]]


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ([(1, 3, "PER")], r"notes.jsonl, line 7: the span 1–3 'da' \(PER\) does not begin and end with words; the "
         r"words that it touches are 'Ada' \('Ada Lovelace'\)"),
        ([(0, 4, "PER")], "the words that it touches are 'Ada'"),
        ([(0, 99, "PER")], "the span 0–99 'PER' is not within the text of 12 characters"),
        ([(3, 4, "PER")], "holds no word"),
        ([(0, 12, "PER"), (4, 12, "LOC")], r"0–12 'Ada Lovelace' \(PER\) and 4–12 'Lovelace' \(LOC\) overlap"),
        ([(0, 3, "PER"), (0, 3, "PER")], "overlap"),
    ],
)  # fmt: skip
def test_spans_that_do_not_fit_are_errors_with_row_and_text(spans, told):
    with pytest.raises(DataError, match=told):
        gold(spans_table("Ada Lovelace", *spans))


def test_spans_can_be_widened_to_the_words_that_they_touch():
    assert gold(spans_table("at 5pm today", (3, 4, "time")), widen=True) == [[Span(1, 2, "time")]]
    assert gold(spans_table("Ada  Lovelace", (0, 5, "PER")), widen=True) == [[Span(0, 1, "PER")]]
    with pytest.raises(DataError, match="holds no word"):
        gold(spans_table("Ada Lovelace", (3, 4, "PER")), widen=True)


def test_characters_as_words_fit_every_span():
    assert gold(spans_table("at 5pm", (3, 4, "time")), rule="characters") == [[Span(2, 3, "time")]]


def test_tags_in_any_scheme():
    assert gold(tags_table(["Ada", "L", "x"], ["I-PER", "I-PER", "O"])) == [[Span(0, 2, "PER")]]
    assert gold(tags_table(["Ada", "L", "x"], ["B-PER", "E-PER", "O"])) == [[Span(0, 2, "PER")]]


def test_tags_that_break_their_scheme_are_errors_unless_repaired():
    table = pa.table({"tokens": [["a", "b"], ["c"]], "tags": [["B-PER", "I-LOC"], ["B-LOC"]]})
    with pytest.raises(DataError, match=r"row 1: word 2 \('b'\): I-LOC does not follow B-LOC or I-LOC, as BIO asks"):
        gold(table)
    assert gold(table, repair=True) == [[Span(0, 1, "PER"), Span(1, 2, "LOC")], [Span(0, 1, "LOC")]]


def test_one_tag_per_word():
    with pytest.raises(DataError, match="row 1: 1 tags for 2 words"):
        gold(tags_table(["a", "b"], ["O"]))


def test_a_null_is_an_error():
    with pytest.raises(DataError, match="row 1: word 2 is null"):
        gold(tags_table(["a", None], ["O", "O"]))
    with pytest.raises(DataError, match="column 'tokens' is null"):
        _gold.passages(pa.table({"tokens": pa.array([None, ["a"]])}), "tokens", "auto")


def test_targets_decide_which_column_is_read():
    nothing = pa.nulls(1)
    both = {"tokens": [["a"]], "text": ["a"], "tags": [["O"]]}
    assert _gold.input_of(pa.table(both)) == "tokens"
    assert (
        _gold.input_of(pa.table({**both, "tags": nothing, "spans": [[{"start": 0, "end": 1, "label": "x"}]]})) == "text"
    )
    assert _gold.input_of(pa.table({"tokens": nothing, "text": ["a"]})) == "text"
    assert _gold.input_of(pa.table({"tokens": [["a"]], "text": ["a"]}), "text") == "text"
    assert _gold.input_of(pa.table({"tokens": [["a"]]}), "text") == "tokens"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"label": ["a"]}, "neither a column 'tokens'"),
        ({"text": ["a"], "tags": [["O"]]}, "column 'tags' needs a column 'tokens' beside it"),
        ({"tokens": [["a"]], "spans": [[{"start": 0}]]}, "column 'spans' needs a column 'text' beside it"),
    ],
)
def test_says_which_column_is_missing(columns, told):
    with pytest.raises(DataError, match=told):
        _gold.input_of(pa.table(columns))


def test_plain_tags_are_told_from_tags_with_positions():
    assert _gold.are_plain(tags_table(["a", "b"], ["NN", "O"]))
    assert not _gold.are_plain(tags_table(["a", "b"], ["B-NN", "O"]))
    with pytest.raises(DataError, match=r"some tags name a position \(row 1: 'B-NN'\), others do not \(row 1: 'VB'\)"):
        _gold.are_plain(tags_table(["a", "b"], ["B-NN", "VB"]))


def test_every_row_at_fault_is_told():
    table = pa.table({"tokens": [["a"], ["b"], ["c"]], "tags": [["O", "O"], ["O"], []]})
    with pytest.raises(DataError, match=r"row 1: 2 tags for 1 words.*\nrow 3: 0 tags for 1 words"):
        gold(table)


def test_says_that_there_are_no_targets():
    with pytest.raises(DataError, match=r"neither a column 'tags' .* nor a column 'spans'"):
        gold(pa.table({"text": ["a"]}))
