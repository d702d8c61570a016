"""Verifies an artefact, and the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dianji.artefact.verify import checks
from dianji.artefact.verify.verdict import Verification
from dianji.reporting import Reporter, Silent
from dianji.retrieval.manifest import is_index
from dianji.retrieval.verify import verify as verify_index
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
    """Check that a folder is the evaluated artefact, or an index as it was made; report every fault.

    Args:
        artefact: the folder.
        data: a file with the rows the model was evaluated on; every prediction is compared with the recorded one. Of an
            index: documents to compare with its own.
        columns: the task's name of a column -> the file's, if not as in the recipe.
        reporter: receives messages and progress.
        store: whose ledger may know the artefact; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        ArtefactError: there is no such folder.
        DataError: the file cannot be read.
    """
    if is_index(Path(artefact)):
        return verify_index(Path(artefact), data=data, columns=columns, reporter=reporter or Silent())
    again = checks.Again(data, columns, reporter or Silent()) if data is not None else None
    return checks.verify(Path(artefact), store or Store.default(), again)


def verify_ledger(store: Store | None = None) -> LedgerVerification:
    """Check that the ledger was only ever appended to; name the first entry that was changed.

    Raises:
        StoreError: there is no ledger.
    """
    return chain.verify_ledger((store or Store.default()).ledger)
