"""Parallel files: line by line a text and its counterpart, such as ``train.en`` and ``train.de``; also gzipped."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.files import split_named
from dianji.data.findings import Findings
from dianji.data.source import SPLIT, Place, with_sources
from dianji.errors import DataError
from dianji.registry import component

#: Language codes of ISO 639-1.
_ISO = """
aa ab af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja
jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb
nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq
sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_CODES = frozenset(_ISO.split())
#: Endings that say the direction themselves.
_SOURCES, _TARGETS = ("src", "source"), ("tgt", "trg", "target")
_NAME = re.compile(r"(?P<stem>.+)\.(?P<side>[A-Za-z]+)(?:[-_][A-Za-z]+)?")


class Side(NamedTuple):
    """One file: ``train.en`` is side ``en`` of the pair ``train``."""

    stem: str
    language: str
    path: Path


class Pair(NamedTuple):
    """Two files with lines that belong together."""

    source: Side
    target: Side


@component("source", "parallel")
@dataclass(frozen=True)
class Parallel:
    """Two columns, ``text`` and ``target``. A path names a file of the source side, or a folder of pairs.

    In a folder, ``train.en`` and ``val.en`` are splits by their names.

    Args:
        source: the ending of the files with the texts, such as ``en``; by default that of the path, or of ``src``;
            in a folder of two languages English, else the first in the alphabet, which is said.
        target: the ending of the files with their counterparts; by default the only other one.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Literal["file", "folder", "service"]] = "folder"

    source: str = ""
    target: str = ""

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """The rows of all pairs.

        Raises:
            DataError: a file is missing or unreadable, the direction cannot be told, or two files have different
                numbers of lines.
        """
        path = Path(place.path)
        pairs = self._pairs(path, findings)
        names = [split_named(pair.source.stem) for pair in pairs]
        divided = path.is_dir() and "train" in names
        tables = []
        for pair, split in zip(pairs, names, strict=True):
            table = _read(pair, place, encoding, findings)
            if divided:
                table = table.append_column(SPLIT, pa.array([split] * table.num_rows, pa.string()))
            tables.append(table)
        return pa.concat_tables(tables)

    def files(self, place: Place) -> Sequence[tuple[str, Path]]:
        """Every file that is read, by the side it is."""
        return [
            (f"{side.stem} {role}", side.path)
            for pair in self._pairs(Path(place.path), Findings())
            for role, side in zip(("source", "target"), pair, strict=True)
        ]

    def _pairs(self, path: Path, findings: Findings) -> list[Pair]:
        if path.is_dir():
            return self._of_folder(path, findings)
        asked = _side(path)
        if asked is None:
            raise DataError(
                f"{path}: expected a name such as train.en beside train.de. Rename the files, or write the texts and "
                "their counterparts as two columns of a CSV or JSON lines file."
            )
        sides = _sides(path.parent).get(asked.stem, {}) | {asked.language: asked}
        source = self._named(self.source, sides, asked.stem) if self.source else asked
        return [Pair(source, self._target(source, sides, path.parent))]

    def _of_folder(self, folder: Path, findings: Findings) -> list[Pair]:
        found = {stem: sides for stem, sides in _sides(folder).items() if len(sides) > 1}
        if not found:
            raise DataError(f"the folder {folder} holds no pair of files such as train.en and train.de.")
        languages = sorted({language for sides in found.values() for language in sides})
        first = self.source or next((word for word in (*_SOURCES, "en") if word in languages), languages[0])
        pairs = []
        for stem, sides in sorted(found.items()):
            source = self._named(first, sides, stem)
            pairs.append(Pair(source, self._target(source, sides, folder)))
        if not self.source and first not in _SOURCES:
            findings.warn(
                f"{folder.name}: texts are read from {first} to {pairs[0].target.language}. For another direction "
                f"write options: {{source: {pairs[0].target.language}, target: {first}}}."
            )
        return pairs

    def _named(self, language: str, sides: Mapping[str, Side], stem: str) -> Side:
        if language not in sides:
            raise DataError(
                f"there is no file {stem}.{language}; beside it are {', '.join(f'{stem}.{side}' for side in sides)}. "
                "Check options: {source, target}."
            )
        return sides[language]

    def _target(self, source: Side, sides: Mapping[str, Side], folder: Path) -> Side:
        if self.target:
            return self._named(self.target, sides, source.stem)
        others = [side for language, side in sides.items() if language != source.language]
        if source.language in _SOURCES:
            others = [side for side in others if side.language in _TARGETS] or others
        if len(others) == 1:
            return others[0]
        told = ", ".join(sorted(side.path.name for side in others)) or "none"
        raise DataError(
            f"{source.path}: one file with its counterparts is expected in {folder}, found {told}. "
            "Write options: {target: de}, with the ending of the file that is meant."
        )


def is_parallel(path: Path) -> bool:
    """Whether a file has a counterpart beside it, or a folder holds such files and no others."""
    if path.is_dir():
        files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith((".", "_"))]
        known = _sides(path)
        paired = sum(len(sides) for sides in known.values() if len(sides) > 1)
        return bool(paired) and paired > 0.5 * len(files)
    side = _side(path)
    return side is not None and path.is_file() and len(_sides(path.parent).get(side.stem, {})) > 1


def is_language(name: str) -> bool:
    """Whether a name is a language code of ISO 639-1, such as ``en``."""
    return name.lower() in _CODES


def _side(path: Path) -> Side | None:
    found = _NAME.fullmatch(path.name.removesuffix(".gz"))
    if found is None:
        return None
    language = found["side"].lower()
    known = language in _CODES or language in (*_SOURCES, *_TARGETS)
    return Side(found["stem"], language, path) if known else None


def _sides(folder: Path) -> dict[str, dict[str, Side]]:
    """By stem and language."""
    found: dict[str, dict[str, Side]] = {}
    for path in sorted(folder.iterdir()):
        side = _side(path) if path.is_file() else None
        if side is not None:
            found.setdefault(side.stem, {})[side.language] = side
    return found


def _read(pair: Pair, place: Place, encoding: str, findings: Findings) -> pa.Table:
    texts, targets = (_lines(side, place, encoding, findings) for side in pair)
    name = pair.source.path.name
    if len(texts) != len(targets):
        raise DataError(
            f"{name} has {len(texts):,} lines, {pair.target.path.name} has {len(targets):,}; they must have the same "
            f"number. {_first_gap(texts, targets)} Check where a line is missing or divided."
        )
    table = pa.table({"text": pa.array(texts, pa.string()), "target": pa.array(targets, pa.string())})
    return with_sources(table, [f"{name}, line {number}" for number in range(1, len(texts) + 1)])


def _lines(side: Side, place: Place, encoding: str, findings: Findings) -> list[str]:
    content = None
    if side.path.suffix == ".gz":
        try:
            content = gzip.decompress(side.path.read_bytes())
        except (OSError, EOFError) as error:
            raise DataError(f"{side.path} cannot be read as gzip: {error}. Copy or download the file again.") from error
    here = replace(place, path=str(side.path), name=side.path.name, content=content)
    text = decode(here, encoding, findings)
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _first_gap(texts: Sequence[str], targets: Sequence[str]) -> str:
    """The first line that has no counterpart: blank on one side alone, else the first one after the shorter file."""
    for number, (text, target) in enumerate(zip(texts, targets, strict=False), start=1):
        if bool(text.strip()) != bool(target.strip()):
            return f"Line {number:,} is the first one that is empty on one side alone."
    return f"Line {min(len(texts), len(targets)) + 1:,} is the first one without a counterpart."
