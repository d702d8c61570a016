"""``dianji verify`` on tampered and on clean copies of artefacts: which are found, and are clean ones ever refused?

Two artefacts are trained first: pre-training with masked tokens, and a classifier by LoRA on top. The classifier is
tampered with in twenty ways (``dianji.testing.tampering``), half of them with the manifest rewritten to match. Clean
copies of both are moved, renamed, packed and unpacked. Every verification ends in a fresh process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from _tools import OFFLINE, dianji, environment, keep, processor, table, verdict
from kill import write_rows

os.environ.update(OFFLINE)  # before a library reads them

from dianji import verbs
from dianji.store.steps import Store
from dianji.testing.tampering import KINDS

RECIPE = """
name: tamper
seed: 7
base: {new: transformer, layers: 2, width: 64, heads: 2}
data:
  rows: {path: rows.csv}
stages:
  domain: {task: masked-language, data: rows, train: {epochs: 1}}
  intent: {task: text-classification, data: rows, adapt: lora, train: {epochs: 3}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=600)
    arguments = parser.parse_args()
    print(processor())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder / "rows.csv", arguments.rows, 1)
        (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        store = Store(folder / "home")
        command = [dianji(), "run", "recipe.yaml", "--quiet"]
        subprocess.run(command, cwd=folder, env=environment(DIANJI_HOME=str(store.home)), check=True)
        artefacts = {run.stage: run.artefact for run in verbs.log(store) if run.artefact is not None}
        found = [tampered(kind, artefacts["intent"], folder, store) for kind in KINDS]
        clean = [untouched(way, stage, artefacts[stage], folder, store) for stage in artefacts for way in WAYS]
    print()
    table(
        ["tampering", "found by", "seconds"],
        [[one["kind"], one["checks"] or "NOT FOUND", one["seconds"]] for one in found],
    )
    print()
    table(
        ["clean copy", "refused by", "seconds"], [[one["kind"], one["checks"] or "–", one["seconds"]] for one in clean]
    )
    caught, refused = sum(bool(one["checks"]) for one in found), sum(bool(one["checks"]) for one in clean)
    print()
    rows = [
        ["tampered copies found", f"{caught} of {len(found)}", "all", verdict(caught == len(found))],
        ["clean copies refused", f"{refused} of {len(clean)}", "0", verdict(refused == 0)],
    ]
    table(["", "measured", "target", ""], rows)
    keep("tamper", {"tampered": found, "clean": clean})
    if caught != len(found) or refused:
        raise SystemExit(1)


def tampered(kind: str, artefact: Path, folder: Path, store: Store) -> dict[str, str]:
    """The checks that found one kind of tampering."""
    copy = Path(shutil.copytree(artefact, folder / "tampered" / f"{len(kind)}-{kind[:12]}"))
    KINDS[kind](copy)
    answer = checked(kind, copy, store)
    shutil.rmtree(folder / "tampered")
    return answer


def untouched(way: str, stage: str, artefact: Path, folder: Path, store: Store) -> dict[str, str]:
    """The checks that refused one clean copy."""
    place = folder / "clean"
    place.mkdir()
    answer = checked(f"{stage}: {way}", WAYS[way](artefact, place), store)
    shutil.rmtree(place)
    return answer


def checked(kind: str, copy: Path, store: Store) -> dict[str, str]:
    began = time.monotonic()
    found = verbs.verify(copy, store=store)
    names = ", ".join(check.name for check in found.checks if check.faults)
    return {"kind": kind, "checks": names, "seconds": f"{time.monotonic() - began:.1f}"}


def _moved(artefact: Path, place: Path) -> Path:
    first = Path(shutil.copytree(artefact, place / "first"))
    return first.rename(place / "second")


def _touched(artefact: Path, place: Path) -> Path:
    copy = Path(shutil.copytree(artefact, place / "copy"))
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
    return copy


def _read_only(artefact: Path, place: Path) -> Path:
    copy = Path(shutil.copytree(artefact, place / "copy"))
    for path in copy.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    return copy


def _through_tar(artefact: Path, place: Path) -> Path:
    with tarfile.open(place / "packed.tar.gz", "w:gz") as packed:
        packed.add(artefact, "copy")
    with tarfile.open(place / "packed.tar.gz") as packed:
        packed.extractall(place, filter="data")
    return place / "copy"


def _through_zip(artefact: Path, place: Path) -> Path:
    shutil.make_archive(str(place / "packed"), "zip", artefact)
    with zipfile.ZipFile(place / "packed.zip") as packed:
        packed.extractall(place / "copy")
    return place / "copy"


def _behind_a_link(artefact: Path, place: Path) -> Path:
    """The folder itself is whole; the way to it is a link."""
    shutil.copytree(artefact, place / "copy")
    (place / "link").symlink_to(place / "copy", target_is_directory=True)
    return place / "link"


def _used(artefact: Path, place: Path) -> Path:
    copy = verbs.open(artefact).save(place / "copy")
    verbs.open(copy).predict(["where is my card"])
    return copy


WAYS: Mapping[str, Callable[[Path, Path], Path]] = {
    "where it was made": lambda artefact, place: artefact,
    "copied": lambda artefact, place: Path(shutil.copytree(artefact, place / "copy")),
    "moved": _moved,
    "renamed, with a space and in Chinese": lambda artefact, place: Path(
        shutil.copytree(artefact, place / "意图 模型")
    ),
    "with other times": _touched,
    "read-only": _read_only,
    "packed with tar": _through_tar,
    "packed with zip": _through_zip,
    "behind a link": _behind_a_link,
    "saved by Model.save and used": _used,
}


if __name__ == "__main__":
    main()
