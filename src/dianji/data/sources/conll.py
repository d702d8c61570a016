"""CoNLL files: a word and its tag per line, a blank line per sentence (Tjong Kim Sang & De Meulder, 2003)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data import schemes
from dianji.data.encoding import decode
from dianji.data.findings import Findings, plural, some
from dianji.data.schemes import Scheme
from dianji.data.source import Place, with_sources
from dianji.errors import DataError
from dianji.registry import component

_DOCUMENT = "-DOCSTART-"
_POSITION = re.compile(r"\d$")
_WORDS = pa.list_(pa.string())
#: A line to its cells.
_Cut = Callable[[str], list[str]]


@dataclass
class Sentence:
    """Words and tags; ``tags`` is empty where the file has none."""

    document: int
    lines: list[int] = field(default_factory=list)  # of the words
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


@component("source", "conll")
@dataclass(frozen=True)
class Conll:
    """Two columns, ``tokens`` and ``tags``, of which a row is a sentence; ``document`` where documents are marked.

    Tags come out as BIO (IOB2), whatever scheme they are written in; tags without positions stay as they are.

    Args:
        word: number of the column of words, from 0; negative ones count from the right.
        tag: number of the column of tags.
        separator: between columns; white space is one space or more.
        scheme: by default told by the tags; iob1 begins a span with I unless another of its type ends right before.
        repair: a tag that goes on a span which has not begun begins it, as in conlleval; otherwise it is a fault.
        positions: words end with their place in a segment, which is removed, as in the second Weibo NER: 科0 技1.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".conll", ".iob", ".iob2", ".bio", ".bioes")
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    word: int = 0
    tag: int = -1
    separator: Literal["auto", "tab", "space"] = "auto"
    scheme: Literal["auto", "bio", "iob1", "bioes", "plain"] = "auto"
    repair: bool = False
    positions: bool = False

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """The sentences. A file of one column has no ``tags``.

        Raises:
            DataError: empty, binary, wrongly encoded, or without a sentence.
        """
        lines = [line.removesuffix("\r") for line in decode(place, encoding, findings).split("\n")]
        sentences = list(self._sentences(lines, place, findings))
        if not sentences and not findings.count:
            raise DataError(f"{place.name} holds no sentence: at least one line with a word and a tag is needed.")
        columns = {"tokens": pa.array([sentence.words for sentence in sentences], _WORDS)}
        if any(sentence.tags for sentence in sentences):
            columns["tags"] = pa.array(self._checked(sentences, place, findings), _WORDS)
        if any(sentence.document for sentence in sentences):
            columns["document"] = pa.array([f"{place.name} {of.document}" for of in sentences], pa.string())
        return with_sources(pa.table(columns), [f"{place.name}, line {sentence.lines[0]}" for sentence in sentences])

    def _sentences(self, lines: Sequence[str], place: Place, findings: Findings) -> Iterator[Sentence]:
        cut = _divider(lines, self.separator)
        size = _commonest(len(cut(line)) for line in lines if line.strip() and not line.startswith(_DOCUMENT))
        if not all(-size <= number < size for number in (self.word, self.tag)):
            raise DataError(
                f"{place.name}: its lines have {plural(size, 'column')}, so there is no column {self.word} or "
                f"{self.tag}. Set options: {{word: 0, tag: -1}} as fits the file."
            )
        document, comments = 0, []
        now = Sentence(0)
        for number, line in enumerate([*lines, ""], start=1):
            if not line.strip() or line.startswith(_DOCUMENT):
                if now.words:
                    yield now
                document += line.startswith(_DOCUMENT)
                now = Sentence(document)
                continue
            cells = cut(line)
            if len(cells) != size and line.startswith("#") and not now.words:
                comments.append(number)
                continue
            if len(cells) != size:
                findings.fault(
                    f"{place.name}, line {number}: {plural(len(cells), 'column')} where the other lines have {size}. "
                    "Write a word and its tag, or leave the line blank to end the sentence."
                )
                continue
            now.lines.append(number)
            now.words.append(self._word(cells[self.word]))
            if size > 1:
                now.tags.append(cells[self.tag])
        if comments:
            findings.warn(
                f"{place.name}: {plural(len(comments), 'line')} that begin with # left out (line "
                f"{some(map(str, comments))})"
            )

    def _word(self, cell: str) -> str:
        return _POSITION.sub("", cell) if self.positions and len(cell) > 1 else cell

    def _checked(self, sentences: Sequence[Sentence], place: Place, findings: Findings) -> list[list[str]]:
        """Tags as BIO; each tag that its scheme does not allow is a fault."""
        rows = [sentence.tags for sentence in sentences]
        if self._are_plain(sentences, place, findings):
            return rows
        told = self.scheme
        scheme: Scheme = schemes.scheme_of(rows) if told == "auto" or told == "plain" else told
        for sentence in () if self.repair else sentences:
            for number, fault in schemes.faults(sentence.tags, scheme):
                findings.fault(
                    f"{place.name}, line {sentence.lines[number]}: {fault}, as {scheme.upper()} asks for. Fix the tag, "
                    "name the file's scheme, or set options: {repair: true}."
                )
        return [schemes.convert(tags, "bio") for tags in rows]

    def _are_plain(self, sentences: Sequence[Sentence], place: Place, findings: Findings) -> bool:
        if self.scheme != "auto":
            return self.scheme == "plain"
        tags = Counter(tag for sentence in sentences for tag in sentence.tags if tag != schemes.OUTSIDE)
        positioned = {tag for tag in tags if schemes.has_position(tag)}
        if not positioned or len(positioned) == len(tags):
            return not positioned and bool(tags)
        rare = positioned if 2 * sum(tags[tag] for tag in positioned) < tags.total() else set(tags) - positioned
        for sentence in sentences:
            for number, tag in enumerate(sentence.tags):
                if tag in rare:
                    findings.fault(
                        f"{place.name}, line {sentence.lines[number]}: '{tag}' where most tags "
                        f"{'have no' if rare is positioned else 'have a'} position such as B- or I-. Fix the tag, or "
                        "set options: {scheme: plain}."
                    )
        return rare is positioned


def to_conll(sentences: Iterable[tuple[Sequence[str], Sequence[str]]], scheme: Scheme | None = None) -> Iterator[str]:
    """The text of a file, a piece for each sentence of words and tags; inverse of ``Conll.read``.

    Args:
        sentences: a sentence without words leaves nothing.
        scheme: to which tags are converted; None: they are written as they are.

    Raises:
        DataError: a word or a tag is empty or holds white space, so that it would not be read back as it is.
    """
    for number, (words, tags) in enumerate(sentences, start=1):
        for cell in (*words, *tags):
            if not cell or any(character.isspace() for character in cell):
                raise DataError(
                    f"row {number}: {cell!r} is empty or holds white space, which a CoNLL file cannot hold. "
                    "Write JSON lines instead."
                )
        written = tags if scheme is None else schemes.convert(tags, scheme)
        if words:
            yield "".join(f"{word}\t{tag}\n" for word, tag in zip(words, written, strict=True)) + "\n"


def looks_like_conll(text: str) -> bool:
    """Whether nearly all lines end with ``O`` or a tag that names a position, and some are blank."""
    lines = text.split("\n")[:5000]
    filled = [line.split() for line in lines if line.strip() and not line.startswith((_DOCUMENT, "#"))]
    if len(filled) < 3 or not any(not line.strip() for line in lines[:-1]):
        return False
    tagged = [cells[-1] for cells in filled if len(cells) > 1 and schemes.has_position(cells[-1])]
    return len(tagged) >= 0.98 * len(filled)


def _divider(lines: Sequence[str], separator: str) -> _Cut:
    filled = [line for line in lines if line.strip() and not line.startswith(_DOCUMENT)]
    tabs = separator == "tab" or (separator == "auto" and 2 * sum("\t" in line for line in filled) > len(filled))
    return (lambda line: [cell.strip() for cell in line.split("\t")]) if tabs else str.split


def _commonest(sizes: Iterable[int]) -> int:
    counted = Counter(sizes).most_common(1)
    return counted[0][0] if counted else 2
