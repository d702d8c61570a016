"""Verify an artefact, and the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dianji.artefact.verify import checks
from dianji.artefact.verify.verdict import Verification
from dianji.reporting import Reporter, Silent
from dianji.store import chain
from dianji.store.chain import LedgerVerification
from dianji.store.steps import Store


def verify(
    artefact: Path | str,
    *,
    data: str | None = None,
    columns: Mapping[str, str] | None = None,
    reporter: Reporter | None = None,
    store: Store | None = None,
) -> Verification:
    """Is this folder what was evaluated? Tells everything that is wrong with it.

    Args:
        artefact: the folder.
        data: a file with the rows the model was evaluated on; every prediction is compared with the recorded one.
        columns: what the task calls a column -> what the file calls it, if not as in the recipe.
        reporter: hears how it goes.
        store: whose ledger may know the artefact; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        ArtefactError: there is no such folder.
        DataError: the file cannot be read.
    """
    again = checks.Again(data, columns, reporter or Silent()) if data is not None else None
    return checks.verify(Path(artefact), store or Store.default(), again)


def verify_ledger(store: Store | None = None) -> LedgerVerification:
    """Was the ledger only ever appended to? Names the first entry that is not as it was written.

    Raises:
        StoreError: there is no ledger.
    """
    return chain.verify_ledger((store or Store.default()).ledger)
