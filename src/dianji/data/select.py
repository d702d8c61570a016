"""The columns that a task asks for, out of everything that a file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import describe, is_binary, is_image, is_list, is_string
from dianji.data.columns import Column, Kind
from dianji.data.findings import Findings
from dianji.data.kinds import Cells, convert
from dianji.data.source import SOURCE, SPLIT, Place
from dianji.data.sources._records import MIXED
from dianji.errors import DataError, RecipeError, did_you_mean


@dataclass(frozen=True)
class Request:
    """What is wanted of every file. ``extra`` names columns that only the split needs: role -> name."""

    columns: Mapping[str, Column]
    mapping: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    #: The recipe's name for the data.
    name: str = ""
    drops_empty: bool = False
    #: The rows are to be predicted or measured by a trained model: an input must be there, while a mapped column that
    #: is missing may stand under the task's own name.
    lenient: bool = False
    #: What the caller calls columns, before ``mapping``; such a column must exist.
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def section(self) -> str:
        """Where the recipe says it: ``data.intents``."""
        return f"data.{self.name}" if self.name else "data"

    def called(self, name: str) -> str:
        """What the data call the task's column."""
        return self.given.get(name) or self.mapping.get(name, name)


def select(table: pa.Table, request: Request, place: Place, findings: Findings) -> pa.Table:
    """The task's columns under the task's names, the split's as ``__group__`` …, ``__source__`` and ``__split__``.

    Raises:
        DataError: a column is missing or of the wrong kind; all such faults of the file at once.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    faults: list[str] = []
    for name, column in request.columns.items():
        try:
            found = _find(table, name, request, place)
            cells = Cells(
                found, request.called(name), table[SOURCE], place.folder, request.drops_empty, whole=request.lenient
            )
            columns[name] = convert(cells, column.kind, findings)
        except DataError as error:
            faults.append(str(error))
    for role, name in request.extra.items():
        try:
            columns[f"__{role}__"] = _extra(table, role, name, columns, request, place)
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("\n".join(dict.fromkeys(faults)))
    columns[SOURCE] = table[SOURCE]
    if SPLIT in table.column_names:
        columns[SPLIT] = table[SPLIT]
    return pa.table(columns)


def require_roles(given: Mapping[str, str], columns: Mapping[str, Column], *, targets: bool) -> None:
    """Refuse names that nothing would be done with.

    Args:
        given: what the task calls a column -> what the data call it.
        columns: the task's.
        targets: whether targets are read.

    Raises:
        RecipeError: with every name that is no column of the task, or one that is not read.
    """
    read = [name for name, column in columns.items() if targets or not column.target]
    faults = []
    for name in given:
        if name not in columns:
            faults.append(f"--column {name}: the model reads no column of that name. {did_you_mean(name, read)}")
        elif name not in read:
            faults.append(f"--column {name}: predictions do not read '{name}'. Leave it out.")
    if faults:
        raise RecipeError(*faults)


def names_of(table: pa.Table) -> list[str]:
    """The data's own columns."""
    return [name for name in table.column_names if name not in (SOURCE, SPLIT)]


def _find(table: pa.Table, name: str, request: Request, place: Place) -> pa.ChunkedArray:
    wanted = request.called(name)
    found = column_of(table, wanted)
    if found is None and request.lenient and name not in request.given:
        wanted = name
        found = column_of(table, name)
    if found is None:
        raise DataError(_absent(table, name, request, place))
    mixed = (table.schema.field(wanted).metadata or {}).get(MIXED) if wanted in table.column_names else None
    if mixed:
        raise DataError(f"{place.name}: column '{wanted}' holds {mixed.decode()}. Write all of its values in one way.")
    return found


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray | None:
    """A column by its name; ``user.text`` is the field ``text`` of the objects in ``user``."""
    if name in table.column_names:
        return table[name] if name not in (SOURCE, SPLIT) else None
    outer, _, inner = name.partition(".")
    if (
        inner
        and outer in table.column_names
        and pa.types.is_struct(table[outer].type)
        and table[outer].type.get_field_index(inner) >= 0
    ):
        return pc.struct_field(table[outer], inner)
    return None


def _extra(
    table: pa.Table, role: str, name: str, columns: Mapping[str, pa.ChunkedArray], request: Request, place: Place
) -> pa.ChunkedArray:
    if name in columns:
        return columns[name]
    found = column_of(table, name)
    if found is not None:
        return found
    if place.split not in (None, "train"):
        return pa.nulls(table.num_rows)  # a file of its own need not say how the others were divided
    known = [*request.columns, *names_of(table)]
    raise DataError(f"{request.section}.split.{role}: {place.name} has no column '{name}'. {did_you_mean(name, known)}")


def _absent(table: pa.Table, name: str, request: Request, place: Place) -> str:
    kind = request.columns[name].kind
    known = names_of(table)
    found = ", ".join(f"{column} ({describe(table[column].type)})" for column in known)
    if name in request.given:
        wanted = request.given[name]
        return f"--column {name}={wanted}: {place.name} has no column '{wanted}'. {did_you_mean(wanted, known)}"
    if request.lenient and name in request.mapping:
        return (
            f"{place.name}: the model reads a column '{name}' ({kind}), which its training data call "
            f"'{request.mapping[name]}'; found: {found}. Name it with --column {name}=…"
        )
    if name in request.mapping:
        wanted = request.mapping[name]
        where = f"{place.name} has no column '{wanted}', which {request.section}.columns names as {name}."
        return f"{where} {did_you_mean(wanted, known)}"
    guesses = {task: request.mapping.get(task) or _guess(table, task, request) for task in request.columns}
    line = ", ".join(f"{task}: {guess}" for task, guess in guesses.items())
    return (
        f"{place.name}: the task needs a column '{name}' ({kind}); found: {found}. "
        f"Write in {request.section}: columns: {{{line}}}"
    )


def _guess(table: pa.Table, task: str, request: Request) -> str:
    """The column that is probably meant; only ever a suggestion in a message."""
    if task in table.column_names:
        return task
    taken = {*request.mapping.values(), *(name for name in request.columns if name != task)}
    fitting = [
        name for name in names_of(table) if name not in taken and _fits(table[name].type, request.columns[task].kind)
    ]
    if not fitting:
        return "…"
    if len(fitting) == 1 or request.columns[task].kind == "image":
        return fitting[0]
    distinct = {name: len(pc.unique(table[name].slice(0, 1000))) for name in fitting if not is_list(table[name].type)}
    if request.columns[task].kind == "text":
        return max(fitting, key=lambda name: pc.sum(pc.utf8_length(table[name].slice(0, 1000))).as_py() or 0)
    repeated = {name: count for name, count in distinct.items() if 1 < count <= 0.5 * min(table.num_rows, 1000)}
    return max(repeated, key=lambda name: (is_string(table[name].type), repeated[name])) if repeated else fitting[-1]


def _fits(kind: pa.DataType, wanted: Kind) -> bool:
    if wanted == "text":
        return is_string(kind)
    if wanted == "image":
        return is_image(kind) or is_binary(kind) or is_string(kind)
    scalar = is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return scalar or (wanted == "labels" and is_list(kind))


def concatenate(tables: list[pa.Table]) -> pa.Table:
    """One table; values of the split's own columns that differ in type between files become text."""
    if len(tables) == 1:
        return tables[0]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.concat_tables([_texts(table) for table in tables], promote_options="permissive")


def _texts(table: pa.Table) -> pa.Table:
    for index, name in enumerate(table.column_names):
        if name.startswith("__"):
            table = table.set_column(index, name, table[name].cast(pa.string()))
    return table
