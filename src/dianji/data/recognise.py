"""Recognise, the line's second step: which source reads each place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dianji.data.files import listing, named, split_named
from dianji.data.findings import Findings
from dianji.data.line import Flow, Reading, Request
from dianji.data.locate import STANDARD_INPUT
from dianji.data.sniff import file_format, first_lines, folder_format
from dianji.data.source import Place
from dianji.data.sources._delimited import looks_like_lists
from dianji.data.sources.labelled_text import announced
from dianji.registry import REGISTRY


def recognise(flow: Flow) -> Flow:
    """A reading of every place; a folder whose files are rows is a reading of every file.

    Raises:
        DataError: a file is of a kind that no source reads, or a folder holds none.
        RecipeError: an option is unknown to its source.
    """
    own = _named([reading for place in flow.places if not place.given for reading in _readings(place, flow.request)])
    given = _named([reading for place in flow.places if place.given for reading in _readings(place, flow.request)])
    taken = {reading.place.name for reading in own}
    given = [_renamed(reading, reading.place.path) if reading.place.name in taken else reading for reading in given]
    _warn_of_names(own, flow.findings)
    for reading in own:
        _warn_of_format(reading, flow.findings)
    return replace(flow, readings=(*own, *given))


def _readings(place: Place, request: Request) -> Iterator[Reading]:
    if place.format != "auto":
        source = REGISTRY.get("source", place.format)
        parts = _files(place) if source.reads == "file" and Path(place.path).is_dir() else [place]
        for part in parts:
            yield _reading(part, place.format, place.options)
        return
    whole = folder_format(Path(place.path)) if place.path != STANDARD_INPUT else None
    if whole is not None:
        yield _reading(place, whole, _options(place, whole, request))
        return
    for part in _files(place) if Path(place.path).is_dir() and place.path != STANDARD_INPUT else [place]:
        format_ = folder_format(Path(part.path)) if part.path != STANDARD_INPUT else None
        format_ = format_ or file_format(part)
        yield _reading(part, format_, _options(part, format_, request))


def _options(place: Place, format_: str, request: Request) -> Mapping[str, object]:
    """The place's own; of data to predict those of the recipe, if the file is of the recipe's format."""
    return request.spec.options if request.lenient and format_ == request.spec.format else place.options


def _files(place: Place) -> list[Place]:
    return [replace(place, path=str(file), split=place.split or split) for file, split in listing(Path(place.path))]


def _reading(place: Place, format_: str, options: Mapping[str, object]) -> Reading:
    return Reading(place, format_, REGISTRY.build("source", format_, options))


def _named(readings: Sequence[Reading]) -> list[Reading]:
    """Short names for messages; of files that are called alike their paths."""
    files = [
        reading for reading in readings if reading.source.reads != "service" and reading.place.path != STANDARD_INPUT
    ]
    names = dict(zip(map(id, files), named([reading.place for reading in files]), strict=True))
    return [replace(reading, place=names.get(id(reading), reading.place)) for reading in readings]


def _renamed(reading: Reading, name: str) -> Reading:
    return replace(reading, place=replace(reading.place, name=name))


def _warn_of_format(reading: Reading, findings: Findings) -> None:
    """Warns where the recognised format may be the wrong one."""
    place = reading.place
    if place.format != "auto":
        return
    if reading.format == "text-folders":
        findings.warn(
            f"{place.name}: each file is a row, and its folder is the label; to read lines write format: text"
        )
    if reading.format == "text" and (label := announced(first_lines(place.head()))):
        findings.warn(
            f"{place.name}: was read as lines of text, and every line begins with one of a few words and ':' "
            f"('{label}'). If these are labels, write format: labelled-text, options: {{separator: ':', order: "
            "label-text}"
        )
    elif reading.format == "text" and (sign := looks_like_lists(first_lines(place.head()))):
        shown = {"\t": "tab"}.get(sign, sign)
        findings.warn(
            f"{place.name}: was read as lines of text, and every line has as many '{shown}'; if it is a table, write "
            "format: csv, and where it has no header options: {header: [text, label]}"
        )


def _warn_of_names(readings: Sequence[Reading], findings: Findings) -> None:
    """A list or a glob is one table, also where a file is called test."""
    if any(reading.place.split == "train" for reading in readings):
        return
    undivided = [reading.place.name for reading in readings if reading.place.split is None]
    for name in undivided if len(undivided) > 1 else []:
        split = split_named(name)
        if split in ("validation", "test"):
            findings.warn(f"{name} is divided with the other files; to keep it apart write split: {{{split}: {name}}}")
