"""Compares the files in the folder with those that the manifest names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dianji.artefact.manifest import NAME
from dianji.artefact.verify.subject import Faults, Subject
from dianji.store.digest import digest_file

#: Without these a folder is no artefact, whatever its manifest says.
NEEDED = (
    "README.md",
    "config.json",
    "probe.json",
    "probe.safetensors",
    *(f"evidence/{name}.json" for name in ("cost", "data", "metrics", "recipe", "spec")),
)


def entries(folder: Path) -> Iterator[tuple[str, int]]:
    """Relative POSIX path and mode of everything below ``folder``; links are not followed."""
    for place, folders, files in os.walk(folder, followlinks=False):
        for name in sorted([*folders, *files]):
            path = Path(place) / name
            yield path.relative_to(folder).as_posix(), path.lstat().st_mode


def regular_files(folder: Path) -> list[str]:
    """The regular files: no links, pipes or devices."""
    return sorted(name for name, mode in entries(folder) if stat.S_ISREG(mode))


def check(subject: Subject, faults: Faults) -> None:
    """Missing, added, changed; links; folders without files; names that lead out of the folder."""
    listed = subject.manifest.files
    found = dict(entries(subject.folder))
    for name in sorted(set(NEEDED) - listed.keys()):
        faults.add(name, "the manifest does not name it, and every artefact has one")
    for name in sorted(listed.keys() - found.keys()):
        told = "leads out of the folder" if _leads_out(name) else "missing"
        faults.add(name, f"{told}; the manifest names it")
    owned = {str(parent) for name in listed for parent in PurePosixPath(name).parents}
    for name, mode in sorted(found.items()):
        _look_at(subject, name, mode, owned, faults)


def _look_at(subject: Subject, name: str, mode: int, owned: set[str], faults: Faults) -> None:
    listed = subject.manifest.files
    if stat.S_ISLNK(mode):
        target = (subject.folder / name).readlink()
        faults.add(name, f"is a link (to {target}); expected the {'file' if name in listed else 'folder'} itself")
    elif stat.S_ISDIR(mode):
        if name not in owned:
            faults.add(name, "is a folder that is not part of the artefact")
    elif not stat.S_ISREG(mode):
        faults.add(name, "is neither a file nor a folder")
    elif name == NAME:
        return
    elif name not in listed:
        faults.add(name, "is not part of the artefact; the manifest does not name it")
    else:
        digest = digest_file(subject.folder / name)
        if digest != listed[name]:
            faults.add(name, f"changed: its sha256 is {digest[:12]}…, expected {listed[name][:12]}…")


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
