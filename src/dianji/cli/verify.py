"""``dianji verify``: checks that a folder is the evaluated artefact, or that the ledger is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Columns, Json, Quiet, columns_of

if TYPE_CHECKING:
    from dianji.artefact.verify.verdict import Check, Verification
    from dianji.store.chain import LedgerVerification

Folder = Annotated[
    Path | None, typer.Argument(metavar="[ARTEFACT]", help="A folder that a stage left.", show_default=False)
]
DataFile = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Rows the model was evaluated on: predict them again and compare every one with the record.",
        show_default=False,
    ),
]
LedgerToo = Annotated[bool, typer.Option("--ledger", help="Check the store's ledger ($DIANJI_HOME or .dianji).")]


def verify(
    artefact: Folder = None,
    data: DataFile = None,
    ledger: LedgerToo = False,
    column: Columns = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Check an artefact's files, formats, lineage, scores and probe; or the ledger. Exits with 1 if it is not right."""
    if artefact is None and not ledger:
        raise typer.BadParameter("give ARTEFACT, or --ledger, or both")
    if data is not None and artefact is None:
        raise typer.BadParameter("--data needs ARTEFACT: whose predictions are to be compared?")
    if column and data is None:
        raise typer.BadParameter("--column needs --data: of which file is it a column?")
    from dianji import verbs
    from dianji.cli.progress import reporter

    checked = verbs.verify_ledger() if ledger else None
    if artefact is None and checked is not None:
        return Answer(checked.to_json(), lambda: _show_ledger(checked), exit_code=0 if checked.ok else 1)
    found = verbs.verify(
        str(artefact), data=data, columns=columns_of(column), reporter=reporter(silent=as_json or quiet)
    )
    document: dict[str, Any] = {**found.to_json(), **({"ledger": checked.to_json()} if checked else {})}
    right = found.ok and (checked is None or checked.ok)
    return Answer(document, lambda: _show_both(found, checked), exit_code=0 if right else 1)


def _show_both(found: Verification, ledger: LedgerVerification | None) -> None:
    _show(found)
    if ledger is not None:
        _show_ledger(ledger)


def _show(found: Verification) -> None:
    from dianji.cli.tables import clean, print_table

    print(found.artefact)
    print_table(["check", "state", ""], [[check.name, check.state, _remark(check)] for check in found.checks])
    for split in found.predictions:
        print(f"  {split}")
    if found.ok:
        print("It is the evaluated artefact, as far as the folder shows.")
        return
    count = len(found.faults)
    print(f"{count} {'thing is' if count == 1 else 'things are'} wrong:")
    for check in found.checks:
        for fault in check.faults:
            print(f"  {check.name}: {clean(str(fault))}")
    print("This is not the artefact that was evaluated. Restore the folder, or run its recipe again.")


def _remark(check: Check) -> str:
    if check.skipped:
        return check.skipped
    faults = len(check.faults)
    return f"{faults} {'fault' if faults == 1 else 'faults'}" if faults else "; ".join(check.notes) or check.about


def _show_ledger(checked: LedgerVerification) -> None:
    print(f"{checked.ledger}: {checked.entries:,} entries")
    for note in checked.notes:
        print(f"  {note}")
    if checked.ok:
        print("  each carries the sha256 of the one before; none was edited, deleted or put elsewhere")
    else:
        print(f"  line {checked.line} {checked.fault}" if checked.line is not None else f"  {checked.fault}")
