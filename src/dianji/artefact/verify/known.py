"""Compares the artefact with the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dianji.artefact.manifest import NAME
from dianji.artefact.verify.subject import Faults, Subject
from dianji.errors import StoreError
from dianji.store.digest import digest_file
from dianji.store.steps import Store


def check(subject: Subject, store: Store, faults: Faults) -> str:
    """Compare ``dianji.json`` with the ledger's entry for the step; returns a description of the entry.

    Elsewhere the same step may have been run too, and its artefact differs in its seconds: only a folder that lies in
    the store itself has to be one that the ledger knows.
    """
    step = subject.manifest.digest
    try:
        entries = store.ledger.entries()
    except StoreError as error:
        return f"the ledger cannot be read: {error}"
    done = [entry for entry in entries if entry.get("event") == "done" and entry.get("step") == step]
    noted = {found for entry in done if (found := _noted(entry, subject.manifest.part))}
    if not noted:
        return f"the ledger of {store.home} knows nothing of it"
    if digest_file(subject.folder / NAME) in noted:
        return f"it is as the ledger of {store.home} noted it"
    if subject.folder.resolve().is_relative_to(store.home.resolve()):
        faults.add(NAME, "is not what the ledger noted when the step was done")
    return f"the ledger of {store.home} knows this step, but not this artefact: it was made elsewhere, or rewritten"


def _noted(entry: Mapping[str, Any], part: str) -> str | None:
    """The digest of the manifest in an entry of the ledger: that of the artefact, or of one of its parts."""
    found = entry.get("parts", {}).get(part) if part else entry.get("artefact")
    return None if found is None else str(found)
