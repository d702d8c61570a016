"""Text files a piece at a time: the encodings and the faults of ``encoding.decode``, in memory that does not grow."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from dianji.data.encoding import broken_byte, marked, named, nul, recognised, refuse_binary, refuse_empty, told
from dianji.data.findings import Findings
from dianji.data.recognition import escaped
from dianji.data.source import Place
from dianji.errors import DataError

_BLOCK = 2**20
#: Bytes around the first one that is not UTF-8 by which another encoding is recognised.
_WINDOW = 2**22


@contextmanager
def open_text(place: Place, encoding: str, findings: Findings, newline: str = "\n") -> Iterator[TextIO]:
    r"""The text of a file or of standard input, line by line.

    Args:
        place: what is read.
        encoding: a name, or auto.
        findings: gets the encoding that was found.
        newline: ``"\n"``: lines end there alone; ``""``: also at a carriage return. Nothing is translated.

    Raises:
        DataError: empty, binary; while reading: not in the encoding, or a NUL character, with line and offset.
    """
    codec = codec_of(place, encoding)
    told(codec, encoding, place.name, findings)
    with place.open() as source:
        checked = io.BufferedReader(_Checked(source, codec, place.name), _BLOCK)
        yield io.TextIOWrapper(checked, encoding=codec, newline=newline)


def codec_of(place: Place, encoding: str) -> str:
    """The codec of a text; a file is looked at as a whole, standard input by how it begins.

    Raises:
        DataError: empty, or binary.
    """
    head = place.head()
    if len(head) < 65536:
        refuse_empty(head, place.name)
    refuse_binary(head, place.name)
    if encoding != "auto":
        return named(encoding, head, place.name)
    if marked(head) or escaped(head) or place.live is not None:
        return recognised(_whole_lines(head), place.name)
    return _recognise_file(place)


def head_text(place: Place, encoding: str) -> str:
    """Whole lines from the beginning, for what is told by how a file begins."""
    return _whole_lines(place.head(2**18)).decode(codec_of(place, encoding), "replace")


def _recognise_file(place: Place) -> str:
    """UTF-8 where all of the file is; else by what stands around the first bytes that are not."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, block = 0, b"-"
    with place.open() as file:
        while block:
            block = file.read(_BLOCK)
            if escaped(block) or not _continues(decoder, block):
                before = min(done, _WINDOW // 4)
                file.seek(done - before)
                window = file.read(_WINDOW)
                return recognised(_whole_lines(window[window.find(b"\n") + 1 if before else 0 :]), place.name)
            done += len(block)
    return "utf-8"


def _continues(decoder: codecs.IncrementalDecoder, block: bytes) -> bool:
    try:
        decoder.decode(block, final=not block)
    except UnicodeDecodeError:
        return False
    return True


def _whole_lines(data: bytes) -> bytes:
    """Without the last line, which may be cut off inside a character, unless it is the only one."""
    end = data.rfind(b"\n") + 1
    return data[:end] or data


class _Checked(io.RawIOBase):
    """Bytes on their way to a decoder; what the decoder would choke on is told with its line and offset."""

    def __init__(self, source: BinaryIO, codec: str, name: str) -> None:
        self._source = source
        self._codec = codec
        self._name = name
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._offset = 0
        self._line = 1

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed asks for any buffer
        """The next bytes, looked at."""
        block = self._source.read1(len(buffer))  # type: ignore[attr-defined]  # every buffered reader has it
        held = self._decoder.getstate()[0]
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise self._broken(held + block, error.start, self._offset - len(held)) from None
        if "\0" in text:
            raise DataError(nul(self._name, self._line + text.count("\n", 0, text.index("\0"))))
        self._offset += len(block)
        self._line += text.count("\n")
        buffer[: len(block)] = block
        return len(block)

    def _broken(self, data: bytes, start: int, offset: int) -> DataError:
        line = self._line + data.count(b"\n", 0, start)
        return DataError(
            f"{broken_byte(data[start], line, offset + start, self._codec, self._name)}. Repair it at the source of "
            "the file, or name the encoding that the file is really in."
        )
