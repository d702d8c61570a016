"""Compares the files in the folder with those that the manifest names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
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
    compare(subject.folder, subject.manifest.files, NEEDED, faults)


def compare(folder: Path, listed: Mapping[str, str], needed: Iterable[str], faults: Faults) -> None:
    """The same for a folder whose manifest lists ``listed`` (name -> sha256), among them at least ``needed``."""
    found = dict(entries(folder))
    for name in sorted(set(needed) - listed.keys()):
        faults.add(name, "the manifest does not name it, and every artefact has one")
    for name in sorted(listed.keys() - found.keys()):
        told = "leads out of the folder" if _leads_out(name) else "missing"
        faults.add(name, f"{told}; the manifest names it")
    owned = {str(parent) for name in listed for parent in PurePosixPath(name).parents}
    for name, mode in sorted(found.items()):
        told = _fault(folder, listed, name, mode, owned)
        if told:
            faults.add(name, told)


def _fault(folder: Path, listed: Mapping[str, str], name: str, mode: int, owned: set[str]) -> str:
    """The fault of one entry of the folder; empty where it has none."""
    if stat.S_ISLNK(mode):
        target = (folder / name).readlink()
        return f"is a link (to {target}); expected the {'file' if name in listed else 'folder'} itself"
    if stat.S_ISDIR(mode):
        return "" if name in owned else "is a folder that is not part of the artefact"
    if not stat.S_ISREG(mode):
        return "is neither a file nor a folder"
    if name == NAME:
        return ""
    if name not in listed:
        return "is not part of the artefact; the manifest does not name it"
    digest = digest_file(folder / name)
    return "" if digest == listed[name] else f"changed: its sha256 is {digest[:12]}…, expected {listed[name][:12]}…"


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
