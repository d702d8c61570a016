"""The contract of a column kind, and the declaration by which a task asks for a column."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import describe
from dianji.data.findings import Findings
from dianji.errors import DataError
from dianji.registry import REGISTRY

if TYPE_CHECKING:
    from dianji.data.quality.likeness import Likeness

#: Whether values name classes: not at all, one per row, or several per row.
Categories = Literal["none", "one", "several"]

#: No column has such a name.
NO_NAME = re.compile(r"(?!)")


@dataclass(frozen=True)
class Column:
    """A column that a task asks for, under the task's own name for it."""

    #: Name of a registered column kind.
    kind: str
    #: Targets are needed to train and to evaluate, not to predict.
    target: bool = False
    #: A file may lack an optional column; its values are then null.
    optional: bool = False
    #: Rows with the same value belong together: what training learns of it, held-out rows with it know too.
    shared: bool = False

    @property
    def of(self) -> ColumnKind:
        """The component that knows the values.

        Raises:
            RecipeError: no such kind is registered.
        """
        return column_kind(self.kind)


@lru_cache(maxsize=256)
def column_kind(name: str) -> ColumnKind:
    """The column kind registered under ``name``.

    Raises:
        RecipeError: there is none.
    """
    kind: ColumnKind = REGISTRY.build("column", name, {})
    return kind


@dataclass(frozen=True)
class Cells:
    """A column of one file: its values, its name in the data, and where its rows and files lie."""

    values: pa.ChunkedArray
    name: str
    sources: Sequence[str] | pa.ChunkedArray
    folder: Path = Path()
    #: Whether a missing target is no fault, because cleaning will remove its row.
    drops_empty: bool = False
    #: Whether a missing text is a fault and no empty text.
    whole: bool = False

    def where(self, row: int) -> str:
        """The source of a row, for messages."""
        return str(self.sources[row])

    def wrong(self, expected: str, advice: str) -> DataError:
        """The error about a column of the wrong type."""
        file = self.where(0).partition(", ")[0] if len(self.values) else "the data"
        return DataError(
            f"{file}: column '{self.name}' holds {describe(self.values.type)} where {expected} is expected. {advice}"
        )

    def missing(self, mask: pa.ChunkedArray | pa.Array, noun: str, findings: Findings) -> None:
        """A fault for each row of ``mask``, unless cleaning will remove such rows."""
        if self.drops_empty:
            return
        for row in np.flatnonzero(as_mask(mask)).tolist():
            findings.fault(
                f"{self.where(row)}: the {noun} is missing (column '{self.name}'). Write it, or drop such rows with "
                f"clean: {{drop_empty: true}}."
            )


class Vocabulary(Protocol):
    """Gives texts that a base's processor can read, for invented rows."""

    def text(self, tokens: int, rng: np.random.Generator) -> str:
        """A text of about ``tokens`` tokens."""
        ...


@dataclass(frozen=True)
class Sample:
    """Values of an undescribed column by which kinds recognise it."""

    name: str
    type: pa.DataType
    #: Some of the values that are neither null nor an empty string, evenly spread over the rows.
    values: Sequence[Any]


@dataclass(frozen=True)
class ColumnKind:
    """What the package must know of a column's values. A component overrides what differs from the defaults.

    ``values`` is always what ``convert`` returned: an Arrow array of type ``arrow`` (or its large variant).
    """

    #: The Arrow type of converted values.
    arrow: ClassVar[pa.DataType]
    #: The modality of a base that reads such values; empty where no base does.
    modality: ClassVar[str] = ""
    categories: ClassVar[Categories] = "none"
    #: Whether values may be paths of files, whose bytes then belong to the digest of the data.
    names_files: ClassVar[bool] = False
    #: Whether a text is read as JSON: then tables may hold lists and objects in their cells.
    reads_json: ClassVar[bool] = False
    #: Whether a value can be read in a terminal or in a JSON document; otherwise its source is shown.
    readable: ClassVar[bool] = True
    #: Whether a caller may give a text as a value.
    takes_text: ClassVar[bool] = False
    #: The key of the data report under which ``check`` is told: column -> what it returned.
    reported_as: ClassVar[str] = "values"
    #: Column names that announce this kind of values.
    telling: ClassVar[re.Pattern[str]] = NO_NAME

    # Reading -----------------------------------------------------------------------------------------------------

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """The values as ``arrow``. Faults of single rows go to ``findings``, with file and row.

        Raises:
            DataError: the column as a whole is of another type.
        """
        raise NotImplementedError

    def combine(self, parts: Sequence[Cells], findings: Findings) -> pa.ChunkedArray:
        """Several columns of one file that together stand for one, as a recipe may say; by default none do.

        Raises:
            DataError: they cannot.
        """
        names = ", ".join(cells.name for cells in parts)
        raise parts[0].wrong(f"one column instead of [{names}]", "Name one column.")

    def needed(self, sources: Sequence[str]) -> list[str]:
        """Of several columns that together stand for one, those that rows to be predicted must have."""
        return list(sources)

    def accepts(self, type_: pa.DataType) -> bool:
        """Whether ``convert`` may succeed on a column of this Arrow type."""
        raise NotImplementedError

    def files(self, values: pa.ChunkedArray, folder: Path) -> list[Path]:
        """Files that an unconverted column names instead of holding their bytes; only where ``names_files``."""
        return []

    def check(self, cells: Cells, findings: Findings) -> dict[str, Any]:
        """Look at every converted value. Damaged values become faults; the result describes the column (JSON)."""
        return {}

    # Comparing ---------------------------------------------------------------------------------------------------

    def hash(self, values: pa.ChunkedArray) -> np.ndarray:
        """(rows,) uint64: equal for equal values."""
        return digests(repr(value).encode("utf-8", "surrogatepass") for value in values.to_pylist())

    def key(self, values: pa.ChunkedArray) -> np.ndarray:
        """(rows,) uint64: equal for values that count as duplicates of each other."""
        return self.hash(values)

    def is_empty(self, values: pa.ChunkedArray) -> np.ndarray:
        """(rows,) bool: rows without a value."""
        return as_mask(values.is_null())

    def length(self, values: pa.ChunkedArray) -> np.ndarray | None:
        """(rows,) int64 characters; None where values have no length."""
        return None

    def texts(self, values: pa.ChunkedArray) -> list[str] | None:
        """The natural-language text of each row; None where values hold none."""
        return None

    def likeness(self) -> Likeness | None:
        """How values other than texts are compared to find near-duplicates; None where they are not."""
        return None

    def classes(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The names of the classes of each row, as ``list<string>``; only where ``categories`` is not ``none``."""
        raise NotImplementedError

    # Showing and storing -----------------------------------------------------------------------------------------

    def show(self, value: Any) -> str:
        """A Python value of the column in words."""
        return "" if value is None else str(value)

    def to_json(self, values: pa.ChunkedArray) -> list[Any]:
        """Plain values, one per row; inverse of ``from_json``."""
        plain: list[Any] = values.to_pylist()
        return plain

    def from_json(self, values: Sequence[Any]) -> pa.Array:
        """Inverse of ``to_json``.

        Raises:
            DataError: a value is of another kind; names its row.
        """
        try:
            return _of_values(self, values, 1)
        except DataError:
            for number, value in enumerate(values, start=1):  # which row it is
                _of_values(self, [value], number)
            raise

    def given(self, values: Sequence[Any]) -> pa.Array:
        """Python values of a caller, for instance of ``predict``; by default those that ``from_json`` takes.

        Raises:
            DataError: a value is of another kind; names its row.
        """
        return self.from_json(values)

    def to_probe(self, values: pa.ChunkedArray) -> tuple[list[Any], dict[str, np.ndarray]]:
        """Values for ``probe.json``, and tensors for ``probe.safetensors``; inverse of ``from_probe``."""
        return self.to_json(values), {}

    def from_probe(self, values: Sequence[Any], tensors: Mapping[str, np.ndarray]) -> pa.Array:
        """Inverse of ``to_probe``."""
        return pa.array(list(values), self.arrow)

    # Making up and recognising -----------------------------------------------------------------------------------

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """``count`` values that no data set has."""
        raise NotImplementedError

    def looks_like(self, sample: Sample) -> float:
        """How well the kind describes an undescribed column: 0 (not at all) to 1 (nothing else fits)."""
        return 0.0


def digests(items: Iterable[bytes]) -> np.ndarray:
    """(items,) uint64, the first 8 bytes of BLAKE2b."""
    hashed = b"".join(hashlib.blake2b(item, digest_size=8).digest() for item in items)
    return np.frombuffer(hashed, dtype="<u8").astype(np.uint64)


def as_mask(values: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Arrow booleans as numpy's; null is False."""
    filled = pc.fill_null(values, False)
    return np.asarray(
        filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy()
    ).astype(bool)


def plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dictionary-encoded values as what they stand for."""
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def joined(values: pa.ChunkedArray, kind: ColumnKind) -> pa.Array:
    """One array of all chunks."""
    if isinstance(values, pa.Array):
        return values
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], kind.arrow)


def _of_values(kind: ColumnKind, values: Sequence[Any], first: int) -> pa.Array:
    """Plain values converted; ``first`` is the number of the first row.

    Raises:
        DataError: a value is of another kind, or values do not fit together.
    """
    sources = [f"row {number}" for number in range(first, first + len(values))]
    findings = Findings()
    try:
        cells = Cells(pa.chunked_array([pa.array(list(values))]), "value", sources)
        converted = kind.convert(cells, findings)
    except UnicodeEncodeError as error:
        raise DataError(f"row {first}: {_half(error)} Write the text again from its source.") from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError) as error:
        raise DataError(f"row {first}: the values do not fit together ({str(error).splitlines()[0]}).") from None
    findings.check()
    return joined(converted, kind)


def _half(error: UnicodeEncodeError) -> str:
    """What a text holds that is no character: a byte that the shell passed on undecoded, or half a character."""
    code = ord(error.object[error.start])
    if 0xDC80 <= code <= 0xDCFF:
        return f"byte 0x{code - 0xDC00:02x} at character {error.start + 1:,} of the text is not UTF-8."
    return f"half a character (a lone surrogate such as \\ud800) at character {error.start + 1:,} of the text."
