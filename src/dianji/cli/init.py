"""``dianji init``: look at data, and write a recipe that runs as it stands."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dianji.cli.answer import Answer
from dianji.cli.options import Columns, DataPath, Force, Json, RecipeOut, columns_of, require_free

if TYPE_CHECKING:
    from dianji.data.inspect import Inspection
    from dianji.data.inspected import Inspected


def init(
    data: DataPath,
    column: Columns = None,
    out: RecipeOut = Path("recipe.yaml"),
    force: Force = False,
    as_json: Json = False,
) -> Answer:
    """Look at a table or folder and write a commented recipe that runs as it stands."""
    from dianji.data.inspect import inspect, taken_as
    from dianji.store.atomic import write_text

    require_free(out, force=force)
    seen, text, warnings = _checked(taken_as(inspect(data), columns_of(column)), out)
    write_text(out, text)
    document = {"recipe": str(out), "inspection": seen.to_json(), "warnings": list(warnings)}
    return Answer(document, lambda: _show(seen, out, warnings))


def _checked(seen: Inspection, out: Path) -> tuple[Inspection, str, tuple[str, ...]]:
    """The inspection, the text of a recipe that ``dianji check`` accepts, and its warnings.

    Raises:
        DataError: ``dianji check`` would refuse the recipe.
    """
    from dianji.cli.draft import draft
    from dianji.errors import DataError, RecipeError

    text = draft(seen, out)
    try:
        return seen, text, _warnings(seen, text, out)
    except RecipeError as error:
        if seen.group is not None:  # there may be too few groups to divide; rows are then divided one by one
            return _checked(replace(seen, group=None), out)
        faults = "\n".join(error.faults)
        raise DataError(
            f"no recipe was written, because dianji check would refuse it:\n{faults}\nRepair the data, or name its "
            "columns: --column text=… --column label=…"
        ) from None


def _warnings(seen: Inspection, text: str, out: Path) -> tuple[str, ...]:
    """The warnings of the inspection and of ``dianji check``.

    Raises:
        RecipeError: the recipe has faults.
    """
    from dianji import verbs
    from dianji.cli.draft import missing
    from dianji.spec.sections import NewBase, Recipe

    recipe = Recipe.parse(text, source=str(out), folder=out.absolute().parent)
    if missing(seen) is not None and isinstance(recipe.base, str):  # all but the weights can be checked without them
        recipe = recipe.model_copy(update={"base": NewBase(new="transformer")})
    found = (warning.removeprefix("data.rows: ") for warning in verbs.check(recipe).warnings)
    return tuple(dict.fromkeys((*seen.warnings, *found)))


def _show(seen: Inspection, out: Path, warnings: tuple[str, ...]) -> None:
    from dianji.cli.draft import missing, starter
    from dianji.cli.tables import clean, print_table

    languages = ", ".join(f"{code} {share:.0%}" for code, share in seen.languages[:3])
    splits = ", ".join(f"{split} {count:,}" for split, count in seen.splits.items())
    for name, value in (("languages", languages), ("splits", splits), ("encoding", seen.encoding)):
        if value:
            print(f"{name}: {value}")
    print(f"{seen.rows:,} rows of {seen.format}:")
    named = ("text", "other", "tokens", "tags", "spans", "target", "question", "answers", "image", "label", "number")
    roles = {getattr(seen, role): role for role in (*named, "group", "time")} | dict.fromkeys(seen.messages, "messages")
    rows = [[column.name, column.kind, roles.get(column.name, ""), _summary(column)] for column in seen.columns]
    print_table(["column", "holds", "taken as", "values"], rows)
    for warning in warnings:
        print(f"warning: {clean(warning)}")
    if (lacking := missing(seen)) is not None:
        name, how = lacking.card.name, lacking.weights.installation
        if starter(seen) is not None:
            print(f"The recipe starts from {name}, whose weights are not installed: {how}")
        else:
            print(f"A pre-trained base reads this language; its weights are not installed: {how}, then base: {name}")
    print(f"Written: {out}\nNext: dianji run {shlex.quote(str(out))}")


def _summary(column: Inspected) -> str:
    from dianji.cli.tables import shorten

    missing = f", {column.missing:,} missing" if column.missing else ""
    if column.characters:
        return f"{column.characters['median']:.0f} characters, 95 % below {column.characters['p95']:.0f}{missing}"
    if column.counts:
        common = ", ".join(f"{value} {count:,}" for value, count in list(column.counts.items())[:4])
        return shorten(f"{column.distinct:,} values: {common}", 70) + missing
    if sizes := column.values.get("sizes"):
        return ", ".join(f"{size} {count:,}" for size, count in list(sizes.items())[:3]) + missing
    return shorten(", ".join(column.examples), 70) + missing
