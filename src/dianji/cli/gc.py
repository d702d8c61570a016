"""``dianji gc``: lists and deletes dispensable files. Asks first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Json

if TYPE_CHECKING:
    from dianji.store.garbage import Garbage

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only list.")]
Finished = Annotated[
    bool, typer.Option("--finished", help="Also finished steps that no other finished step starts from.")
]


def gc(yes: Yes = False, dry_run: Dry = False, finished: Finished = False, as_json: Json = False) -> Answer:
    """List dispensable files of the store with sizes, and delete them on confirmation. A step in use is never touched.

    Without --yes nothing is deleted where nobody can be asked (--json, a pipe).
    """
    from dianji import verbs

    if yes and dry_run:
        raise typer.BadParameter("give --yes or --dry-run, not both")
    found = verbs.find_garbage(finished=finished)
    if not as_json:
        _list(found)
    wanted = yes or (bool(found.items) and not dry_run and not as_json and _asked(found))
    if wanted and found.items:
        found = verbs.delete_garbage(found)
    return Answer(found.to_json(), lambda: _show(found, dry_run))


def _asked(found: Garbage) -> bool:
    return sys.stdin.isatty() and typer.confirm(f"Delete these {len(found.items):,}, {_size(found.size)}?")


def _list(found: Garbage) -> None:
    from dianji.cli.tables import near, print_table

    for line in found.kept:
        print(f"kept: {line}")
    if found.items:
        rows = [[item.kind, near(item.path), item.about, _size(item.size)] for item in found.items]
        print_table(["what", "where", "of", "size"], rows, right=(3,))


def _show(found: Garbage, dry_run: bool) -> None:
    if not found.items and not found.deleted:
        print(f"{found.home}: nothing to delete.")
    elif found.deleted:
        print(f"{_size(found.size)} freed in {found.home}.")
    else:
        hint = "" if dry_run else " Run again with --yes to delete them."
        print(f"{_size(found.size)} could be freed; nothing was deleted.{hint}")


def _size(count: int) -> str:
    """Bytes in words: ``12.3 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
