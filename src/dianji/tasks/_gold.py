"""Columns of a tagging table: passages to read, and the spans that are right, as words of these passages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import pyarrow as pa

from dianji.data import schemes
from dianji.data.findings import Findings
from dianji.data.schemes import Scheme, Span
from dianji.errors import DataError, did_you_mean
from dianji.tasks._rows import refuse_null, where
from dianji.tasks._words import Passage, WordRule, joined, passage

Input = Literal["tokens", "text"]
_SHOWN = 60  # characters of a text in a message


def has(table: pa.Table, name: str) -> bool:
    """Whether a column is there and holds anything; a column that no file has may be there with nulls alone."""
    return name in table.column_names and (table.num_rows == 0 or table[name].null_count < table.num_rows)


def input_of(table: pa.Table, preferred: Input | None = None) -> Input:
    """The column that is read: the one that the targets belong to, else ``preferred``, else what there is.

    Raises:
        DataError: there is no such column.
    """
    if has(table, "tags") or has(table, "spans"):
        found: Input = "tokens" if has(table, "tags") else "text"
        if not has(table, found):
            target, other = ("tags", "a list of words") if found == "tokens" else ("spans", "a text")
            raise DataError(
                f"column '{target}' needs a column '{found}' beside it, {other} per row; found "
                f"{', '.join(table.column_names)}. Name it in data.<name>.columns."
            )
        return found
    choices: tuple[Input, ...] = (preferred, "tokens", "text") if preferred else ("tokens", "text")
    for name in choices:
        if has(table, name):
            return name
    raise DataError(
        "neither a column 'tokens' (a list of words per row) nor a column 'text' was found; found "
        f"{', '.join(table.column_names)}. Name one of them in data.<name>.columns."
    )


def passages(table: pa.Table, column: Input, rule: WordRule) -> list[Passage]:
    """What is read of each row.

    Raises:
        DataError: a value is null.
    """
    if column == "text":
        refuse_null(table, "text", "a text (an empty one is allowed)")
        return [passage(text, rule) for text in table["text"].to_pylist()]
    refuse_null(table, "tokens", "a list of words (an empty one is allowed)")
    found = []
    for row, words in enumerate(table["tokens"].to_pylist()):
        if None in words:
            raise DataError(f"{where(table, row)}: word {words.index(None) + 1} is null. Write the word.")
        found.append(joined(words))
    return found


def has_gold(table: pa.Table) -> bool:
    """Whether there are targets."""
    return has(table, "tags") or has(table, "spans")


def gold(
    table: pa.Table, read: Sequence[Passage], findings: Findings, *, widen: bool, repair: bool
) -> list[list[Span]]:
    """The spans of each row in words; none for a row at fault.

    Faults: spans cut words, overlap or lie outside the text; tags are not one per word, or break their scheme.

    Args:
        table: with ``tags``, or ``spans`` in characters.
        read: its passages.
        findings: gets the faults, one per row at most.
        widen: whether a span in characters that cuts words is taken to the ends of these words.
        repair: whether a tag that goes on a span which has not begun begins it.

    Raises:
        DataError: there are no targets, or some are null.
    """
    if has(table, "tags"):
        refuse_null(table, "tags", "a list of tags, one per word")
        rows = table["tags"].to_pylist()
        scheme: Scheme | None = None if repair else schemes.scheme_of(rows)
        return _each(table, rows, read, findings, lambda tags, words, here: _of_tags(tags, words, here, scheme))
    if not has(table, "spans"):
        raise DataError(
            "neither a column 'tags' (one per word of 'tokens') nor a column 'spans' (places in 'text') was found, but "
            f"{', '.join(table.column_names)}. Name one of them in data.<name>.columns."
        )
    refuse_null(table, "spans", "a list of spans (an empty one is allowed)")
    rows = table["spans"].to_pylist()
    return _each(table, rows, read, findings, lambda spans, text, here: _in_words(spans, text, here, widen=widen))


def _each(
    table: pa.Table,
    rows: Sequence[Any],
    read: Sequence[Passage],
    findings: Findings,
    convert: Callable[[Any, Passage, str], list[Span]],
) -> list[list[Span]]:
    found = []
    for row, (value, words) in enumerate(zip(rows, read, strict=True)):
        try:
            found.append(convert(value, words, where(table, row)))
        except DataError as error:
            findings.fault(str(error))
            found.append([])
    return found


def are_plain(table: pa.Table) -> bool:
    """Whether no tag names a position, so that each word is a span of its own.

    Raises:
        DataError: some tags of a row do, others do not.
    """
    if not has(table, "tags"):
        return False
    mixed: dict[bool, str] = {}
    for row, tags in enumerate(table["tags"].to_pylist()):
        for tag in tags or ():
            if tag is not None and tag != schemes.OUTSIDE:
                mixed.setdefault(schemes.has_position(tag), f"{where(table, row)}: '{tag}'")
    if len(mixed) > 1:
        raise DataError(
            f"some tags name a position ({mixed[True]}), others do not ({mixed[False]}). "
            "Write all of them as O, B-TYPE, I-TYPE, or all of them without positions."
        )
    return False in mixed


def require_known(found: Iterable[tuple[int, Span]], labels: Sequence[str], table: pa.Table) -> None:
    """Refuse a label that was not seen in training.

    Raises:
        DataError: names the row and close labels.
    """
    known = set(labels)
    for row, span in found:
        if span.label not in known:
            raise DataError(
                f"{where(table, row)}: label '{span.label}' is not among the {len(labels)} labels of the training "
                f"split. {did_you_mean(span.label, labels)} Fix the row, or leave it out."
            )


def _of_tags(tags: Sequence[str], words: Passage, here: str, scheme: Scheme | None) -> list[Span]:
    """``scheme`` None: every tag is read as well as it can be."""
    if len(tags) != len(words):
        raise DataError(f"{here}: {len(tags)} tags for {len(words)} words; expected one tag per word.")
    if scheme is not None:
        for place, fault in schemes.faults(tags, scheme):
            raise DataError(
                f"{here}: word {place + 1} ('{words.words[place]}'): {fault}, as {scheme.upper()} asks for. Fix the "
                "tag, or set the task's repair: true, which lets such a tag begin a span."
            )
    return schemes.spans_of(tags)


def _in_words(spans: Sequence[Mapping[str, Any]], text: Passage, here: str, *, widen: bool) -> list[Span]:
    found = [_span_in_words(span, text, here, widen=widen) for span in spans]
    places = sorted(range(len(found)), key=lambda number: found[number])
    for first, second in pairwise(places):
        if found[second].start < found[first].end:
            one, other = (_described(spans[number], text) for number in (first, second))
            raise DataError(
                f"{here}: the spans {one} and {other} overlap. sequence-tagging gives each word one label at most: "
                "keep one of them."
            )
    return sorted(found)


def _span_in_words(span: Mapping[str, Any], text: Passage, here: str, *, widen: bool) -> Span:
    start, end, label = int(span["start"]), int(span["end"]), str(span["label"])
    if not 0 <= start < end <= len(text.text):
        raise DataError(
            f"{here}: the span {start}–{end} '{label}' is not within the text of {len(text.text)} characters "
            f"({_quoted(text.text)}). Offsets count characters from 0, and end is the first one after the span."
        )
    first = bisect_right(text.ends, start)  # the first word that ends after the span's start …
    stop = bisect_left(text.starts, end)  # … up to the last one that starts before its end
    if first >= stop:
        raise DataError(f"{here}: the span {_described(span, text)} holds no word ({_quoted(text.text)}). Remove it.")
    if not widen and (text.starts[first] != start or text.ends[stop - 1] != end):
        wide = text.text[text.starts[first] : text.ends[stop - 1]]
        raise DataError(
            f"{here}: the span {_described(span, text)} does not begin and end with words; the words that it touches "
            f"are '{wide}' ({_quoted(text.text)}). Fix its offsets, or set the task's misaligned: widen, or words: "
            "characters."
        )
    return Span(first, stop, label)


def _described(span: Mapping[str, Any], text: Passage) -> str:
    start, end = int(span["start"]), int(span["end"])
    return f"{start}–{end} '{text.text[start:end]}' ({span['label']})"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
