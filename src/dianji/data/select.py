"""Select, the line's fourth step: the columns that a task asks for, out of everything that a place holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import describe, is_list, is_string
from dianji.data.columns import Cells, Column
from dianji.data.findings import Findings
from dianji.data.line import Again, Batch, Flow, Reading, Request
from dianji.data.source import SOURCE, SPLIT, Place
from dianji.data.sources._records import MIXED
from dianji.errors import DataError, RecipeError, did_you_mean


def select(flow: Flow) -> Flow:
    """The task's columns under the task's names, the division's as ``__group__`` …, ``__source__`` and ``__split__``.

    Rows that are read as a whole become one batch. Where every column is wanted they keep the data's own names.

    Raises:
        DataError: what was found wrong so far, if rows are read as a whole; all such faults at once.
    """
    if flow.request.chunks:
        return replace(flow, batches=Again(lambda: _selected(flow)))
    parts = list(_selected(flow))
    flow.findings.check()
    return replace(flow, batches=(Batch(concatenate([part.table for part in parts])),))


def _selected(flow: Flow) -> Iterator[Batch]:
    """Batches with their columns; a place whose columns are at fault is reported once and then passed over."""
    wrong: Reading | None = None
    alone = len(flow.readings) == 1
    for batch in flow.batches:
        reading = batch.reading
        if reading is None or reading is wrong:
            continue
        try:
            table = _columns(batch.table, flow.request, reading.place, flow.findings)
        except DataError as error:
            flow.findings.fault(str(error))
            wrong = reading
            continue
        # One file alone is divided, whatever its name says.
        yield replace(batch, table=_marked(table, None if alone else reading.place.split))


def _columns(table: pa.Table, request: Request, place: Place, findings: Findings) -> pa.Table:
    """The columns of one place.

    Raises:
        DataError: a column is missing or of the wrong kind; all such faults of the place at once.
    """
    if request.columns is None:
        split = pa.array([place.split] * table.num_rows, pa.string())
        return table if SPLIT in table.column_names else table.append_column(SPLIT, split)
    columns: dict[str, pa.ChunkedArray] = {}
    faults: list[str] = []
    for name, column in request.columns.items():
        try:
            parts = _parts(table, name, column, request, place)
            if len(request.sources(name)) > 1:
                columns[name] = column.of.combine(parts, findings)
            elif parts:
                columns[name] = column.of.convert(parts[0], findings)
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


def _parts(table: pa.Table, name: str, column: Column, request: Request, place: Place) -> list[Cells]:
    """The data's columns that stand for one of the task; none where it is optional and absent.

    Raises:
        DataError: one is missing.
    """
    found = []
    sources = request.sources(name)
    needed = column.of.needed(sources) if request.lenient and len(sources) > 1 else sources
    for source in sources:
        if source not in needed and column_of(table, source) is None:
            continue
        values = _find(table, name, source, column, request, place)
        if values is not None:
            drops = request.spec.clean.drop_empty
            found.append(Cells(values, source, table[SOURCE], place.folder, drops, whole=request.lenient))
    return found


def names_of(table: pa.Table) -> list[str]:
    """The data's own columns."""
    return [name for name in table.column_names if name not in (SOURCE, SPLIT)]


def _find(
    table: pa.Table, name: str, wanted: str, column: Column, request: Request, place: Place
) -> pa.ChunkedArray | None:
    found = column_of(table, wanted)
    if found is None and request.lenient and name not in request.given:
        wanted = name
        found = column_of(table, name)
    if found is None:
        if column.optional and name not in request.spec.columns:
            return None
        raise DataError(_absent(table, name, wanted, request, place))
    mixed = (table.schema.field(wanted).metadata or {}).get(MIXED) if wanted in table.column_names else None
    if mixed and not column.of.reads_json:
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
    known = [*request.wanted, *names_of(table)]
    raise DataError(f"{request.section}.split.{role}: {place.name} has no column '{name}'. {did_you_mean(name, known)}")


def _absent(table: pa.Table, name: str, wanted: str, request: Request, place: Place) -> str:
    kind = request.wanted[name].kind
    known = names_of(table)
    mapping = request.spec.columns
    found = ", ".join(f"{column} ({describe(table[column].type)})" for column in known)
    if name in request.given:
        return f"--column {name}={wanted}: {place.name} has no column '{wanted}'. {did_you_mean(wanted, known)}"
    if request.lenient and name in mapping:
        told = " and ".join(f"'{source}'" for source in request.sources(name))
        return (
            f"{place.name}: the model reads a column '{name}' ({kind}), which its training data call {told}; found: "
            f"{found}. Name it with --column {name}=…"
        )
    if name in mapping:
        where = f"{place.name} has no column '{wanted}', which {request.section}.columns names as {name}."
        return f"{where} {did_you_mean(wanted, known)}"
    guesses = {task: mapping.get(task) or _guess(table, task, request) for task in request.wanted}
    line = ", ".join(f"{task}: {guess}" for task, guess in guesses.items())
    return (
        f"{place.name}: the task needs a column '{name}' ({kind}); found: {found}. "
        f"Write in {request.section}: columns: {{{line}}}"
    )


def _guess(table: pa.Table, task: str, request: Request) -> str:
    """The column that is probably meant; only ever a suggestion in a message."""
    if task in table.column_names:
        return task
    kind = request.wanted[task].of
    taken = {
        *(part for name in request.spec.columns for part in request.sources(name)),
        *(name for name in request.wanted if name != task),
    }
    fitting = [name for name in names_of(table) if name not in taken and kind.accepts(table[name].type)]
    if not fitting:
        return "…"
    return max(fitting, key=lambda name: (bool(kind.telling.search(name)), *_rank(table[name], kind.categories)))


def _rank(column: pa.ChunkedArray, categories: str) -> tuple[float, ...]:
    """Of columns for names of classes the one whose values come again and again; of others the longest texts."""
    some = column.slice(0, 1000)
    if categories == "none":
        return (float(pc.sum(pc.utf8_length(some)).as_py() or 0) if is_string(column.type) else 0.0,)
    distinct = 0 if is_list(column.type) else len(pc.unique(some))
    return (1 < distinct <= 0.5 * len(some), is_string(column.type), distinct)


def _marked(table: pa.Table, split: str | None) -> pa.Table:
    """What the place says of its split goes before what stands inside it."""
    if split is None:
        return table
    values = pa.array([split] * table.num_rows, pa.string())
    return table.drop_columns([name for name in (SPLIT,) if name in table.column_names]).append_column(SPLIT, values)


def concatenate(tables: Sequence[pa.Table]) -> pa.Table:
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
