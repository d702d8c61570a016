"""Safe formats only: safetensors, JSON and text, each of them sound; nothing that could run code on opening."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from dianji.artefact.verify.files import regular_files
from dianji.artefact.verify.strict_json import loads
from dianji.artefact.verify.subject import Faults
from dianji.artefact.verify.tensors import faults_of as _tensors
from dianji.bases.checks import CONFIG, read_config
from dianji.bases.weights import PICKLED
from dianji.errors import BaseError

Reader = Callable[[Path], Iterator[str]]

#: How a pickle (protocol 2 and later) or a zip of pickles, as torch writes them, begins.
_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"
_NO_PICKLES = "a pickle can run any code when it is opened, and no artefact has one"


def check(folder: Path, faults: Faults) -> None:
    """Check every file by its content, not by the manifest; then the classes that ``config.json`` names."""
    names = regular_files(folder)
    for name in names:
        for told in faults_of(folder / name):
            faults.add(name, told)
    if CONFIG in names:
        try:
            read_config(folder)
        except BaseError as error:
            faults.add(CONFIG, str(error).removeprefix(f"{folder / CONFIG}: "))


def faults_of(file: Path) -> Iterator[str]:
    """The faults of one file's format."""
    with file.open("rb") as stream:
        head = stream.read(4)
    pickled = (
        file.suffix in PICKLED or head == _ZIP or (head[:1] == _PICKLE and head[1:2] in (b"\2", b"\3", b"\4", b"\5"))
    )
    if pickled:
        yield f"is a pickle or named like one; {_NO_PICKLES}"
    elif file.suffix not in READERS:
        known = ", ".join(READERS)
        yield f"is of no format that an artefact may have; expected one of {known}"
    else:
        yield from READERS[file.suffix](file)


def _json(file: Path) -> Iterator[str]:
    for text in _text(file):
        yield text
        return
    try:
        loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        yield f"is not sound JSON: {error}"


def _lines(file: Path) -> Iterator[str]:
    for text in _text(file):
        yield text
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            loads(line)
        except (ValueError, RecursionError) as error:
            yield f"line {number} is not sound JSON: {error}"


def _text(file: Path) -> Iterator[str]:
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        yield f"is not text in UTF-8 ({error.reason} at byte {error.start})"
        return
    if "\0" in text:
        yield "is not text: it has zero bytes"


def _opaque(file: Path) -> Iterator[str]:
    """No fault for a SentencePiece model (protobuf), which some tokenizers need; it is not looked into."""
    yield from ()


READERS: Mapping[str, Reader] = {
    ".safetensors": _tensors,
    ".json": _json,
    ".jsonl": _lines,
    ".md": _text,
    ".txt": _text,
    ".jinja": _text,
    ".tiktoken": _text,
    ".model": _opaque,
}
