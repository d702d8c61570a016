"""All checks, each after those that it relies on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dianji.artefact.manifest import NAME
from dianji.artefact.verify import files, formats, known, origin, predictions, proof, readme, scores
from dianji.artefact.verify.subject import Faults, Subject, read_manifest
from dianji.artefact.verify.verdict import Check, Fault, Verification
from dianji.errors import ArtefactError, DianjiError
from dianji.registry import from_record
from dianji.reporting import Reporter
from dianji.store.steps import Store

#: Name -> what is looked at.
ABOUT = {
    "manifest": "dianji.json is whole and of a format and with components that are known here",
    "files": "the files are those of the manifest, by sha256; none is missing, added or a link",
    "formats": "safetensors, JSON and text only, all of them sound; no pickles, no code, no NaN",
    "lineage": "a chain of digests leads back to the data and the base",
    "evidence": "the scores follow from what is recorded of every row",
    "card": "README.md tells the measured scores",
    "ledger": "the artefact is as it was when the ledger noted it",
    "probe": "a fresh process with only the folder reproduces the probe",
    "predictions": "every row of the file is predicted as it was when the model was evaluated",
}


@dataclass(frozen=True)
class Again:
    """Rows for another evaluation."""

    path: str
    columns: Mapping[str, str] | None
    reporter: Reporter


def verify(folder: Path, store: Store, again: Again | None = None) -> Verification:
    """Make every possible check; an unsafe or altered folder is never opened.

    Args:
        folder: the artefact.
        store: whose ledger may know it.
        again: also compare every prediction on these rows.

    Raises:
        ArtefactError: there is no such folder.
        DataError: the rows to evaluate on cannot be read.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise ArtefactError(f"{folder}: not an artefact: expected a folder that a stage left, found {found}.")
    wanted = [name for name in ABOUT if name != "predictions" or again is not None]
    faults = Faults()
    manifest = read_manifest(folder, faults)
    subject = Subject(folder, manifest) if manifest is not None else None
    if subject is None or _unknown(subject, faults):
        told = {check.name: check for check in _skipped(wanted, "manifest")}
        told["manifest"] = _check("manifest", faults.found)
        told["formats"] = _made("formats", partial(formats.check, folder))
        return Verification(folder, tuple(told.values()))
    made = [_check("manifest", []), *(_made(name, partial(check, subject)) for name, check in _reading(store).items())]
    failed = next((check.name for check in made if check.name in {"files", "formats"} and check.faults), None)
    if failed is not None:
        return Verification(folder, (*made, *_skipped(wanted[len(made) :], failed)))
    made.append(_made("probe", partial(proof.check, subject)))
    if again is None:
        return Verification(folder, tuple(made))
    faults = Faults()
    compared = predictions.compare(subject, again.path, again.columns, again.reporter, faults)
    return Verification(folder, (*made, _check("predictions", faults.found)), compared)


def _reading(store: Store) -> Mapping[str, Callable[[Subject, Faults], str | None]]:
    """The checks that read files and open no model, in their order."""
    return {
        "files": files.check,
        "formats": lambda subject, faults: formats.check(subject.folder, faults),
        "lineage": origin.check,
        "evidence": scores.check,
        "card": readme.check,
        "ledger": lambda subject, faults: known.check(subject, store, faults),
    }


def _unknown(subject: Subject, faults: Faults) -> bool:
    """Whether task, adaptation or techniques are not registered here, or reject the manifest's arguments."""
    manifest = subject.manifest
    records = [("task", manifest.task), ("adaptation", manifest.adaptation)]
    for kind, record in [*records, *(("technique", record) for record in manifest.techniques)]:
        with faults.at(NAME):
            from_record(kind, record)
    return bool(faults.found)


def _made(name: str, check: Callable[[Faults], str | None]) -> Check:
    """The result of a check; its return value is a note."""
    faults, note = Faults(), None
    try:
        note = check(faults)
    except DianjiError as error:
        faults.add(name, str(error))
    return _check(name, faults.found, note)


def _check(name: str, found: list[Fault], note: str | None = None) -> Check:
    unique = tuple(dict.fromkeys(found))
    return Check(name, ABOUT[name], unique, (note,) if note and not unique else ())


def _skipped(names: Sequence[str], failed: str) -> list[Check]:
    told = f"the check '{failed}' failed, so nothing of the folder is relied on for it"
    return [Check(name, ABOUT[name], skipped=told) for name in names]
