"""Twenty ways to tamper with an artefact of a text classifier, each of which ``dianji verify`` has to find.

Half of them rewrite the manifest's digests to match, as somebody would who knows the format.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from dianji.artefact.manifest import NAME
from dianji.store.digest import digest_files

#: Does something to a folder.
Tampering = Callable[[Path], None]

_RECORD = "evidence/test.safetensors"


def cover_up(folder: Path) -> None:
    """Make the manifest name the files that there are now, with the digests that they have now."""
    edit_json(folder / NAME, lambda manifest: {**manifest, "files": dict(digest_files(folder, skip=[NAME]))})


def covered(tampering: Tampering) -> Tampering:
    """The same, with the manifest rewritten to match."""

    def both(folder: Path) -> None:
        tampering(folder)
        cover_up(folder)

    return both


def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
    """Replace a document by what ``change`` makes of it."""
    document = change(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def edit_tensors(path: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Replace the tensors of a file by what ``change`` makes of them in place."""
    with safe_open(path, "numpy") as file:
        described = file.metadata()
    tensors = {name: value.copy() for name, value in load_file(path).items()}
    change(tensors)
    save_file(tensors, path, metadata=described)


def _add_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("nothing to see here\n", encoding="utf-8")


def _add_folder(folder: Path) -> None:
    (folder / "plugins").mkdir()


def _remove_file(folder: Path) -> None:
    (folder / "evidence" / "cost.json").unlink()


def _flip_a_bit(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def _link_a_file(folder: Path) -> None:
    """The bytes are the same, today."""
    outside = folder.parent / f"{folder.name}-outside.json"
    (folder / "config.json").rename(outside)
    (folder / "config.json").symlink_to(outside)


def _link_a_folder(folder: Path) -> None:
    outside = folder.parent / f"{folder.name}-outside"
    shutil.move(folder / "evidence", outside)
    (folder / "evidence").symlink_to(outside, target_is_directory=True)


def _swap_the_probe(folder: Path) -> None:
    """Another probe's questions beside these answers."""

    def rotate(probe: dict[str, Any]) -> dict[str, Any]:
        inputs = {name: {**of, "values": [*of["values"][1:], of["values"][0]]} for name, of in probe["inputs"].items()}
        return {**probe, "inputs": inputs}

    edit_json(folder / "probe.json", rotate)


def _empty_the_probe(folder: Path) -> None:
    def emptied(probe: dict[str, Any]) -> dict[str, Any]:
        inputs = {name: {**of, "values": []} for name, of in probe["inputs"].items()}
        return {**probe, "rows": 0, "inputs": inputs}

    edit_json(folder / "probe.json", emptied)
    edit_tensors(folder / "probe.safetensors", lambda tensors: tensors.update({n: v[:0] for n, v in tensors.items()}))


def _edit_the_scores(folder: Path) -> None:
    def better(document: dict[str, Any]) -> dict[str, Any]:
        for estimate in document["metrics"]["test"].values():
            estimate["value"] = min(1.0, estimate["value"] + 0.05)
        return document

    edit_json(folder / "evidence" / "metrics.json", better)


def _edit_the_predictions(folder: Path) -> None:
    """Every row of the test split is right now."""

    def perfect(tensors: dict[str, np.ndarray]) -> None:
        shares = tensors["outcome/probabilities"]
        tensors["outcome/probabilities"] = np.eye(shares.shape[1], dtype=shares.dtype)[tensors["outcome/target"]]

    edit_tensors(folder / _RECORD, perfect)


def _edit_the_card(folder: Path) -> None:
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines(keepends=True)
    forged = [
        "| test | accuracy | 0.9999 | 0.9990 – 1.0000 | 18 |\n" if "| test | accuracy |" in x else x for x in lines
    ]
    (folder / "README.md").write_text("".join(forged), encoding="utf-8")


def _make_it_newer(folder: Path) -> None:
    edit_json(folder / NAME, lambda manifest: {**manifest, "format": manifest["format"] + 1})


def _rename_labels(folder: Path) -> None:
    """What was one label is now another."""

    def swap(manifest: dict[str, Any]) -> dict[str, Any]:
        first, second, *others = manifest["task"]["arguments"]["labels"]
        manifest["task"]["arguments"]["labels"] = [second, first, *others]
        return manifest

    edit_json(folder / NAME, swap)


def _claim_other_data(folder: Path) -> None:
    edit_json(folder / NAME, lambda manifest: {**manifest, "data": dict.fromkeys(manifest["data"], "0" * 64)})


def _claim_another_rate(folder: Path) -> None:
    def slower(spec: dict[str, Any]) -> dict[str, Any]:
        return {**spec, "train": {**spec["train"], "learning_rate": spec["train"]["learning_rate"] / 2}}

    edit_json(folder / "evidence" / "spec.json", slower)


def _change_weights(folder: Path) -> None:
    def nudge(tensors: dict[str, np.ndarray]) -> None:
        name = max(tensors, key=lambda name: tensors[name].size)
        tensors[name] = tensors[name] * np.float32(1.01)

    edit_tensors(folder / "model.safetensors", nudge)


def _name_a_tensor_twice(folder: Path) -> None:
    """The first entry once more at the end of the header: readers differ in which of the two they take."""
    path = folder / "model.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].rstrip()
    name, entry = next((n, e) for n, e in json.loads(header).items() if n != "__metadata__")
    longer = header[:-1] + f",{json.dumps(name)}:{json.dumps(entry)}}}".encode()
    longer += b" " * (-len(longer) % 8)
    path.write_bytes(len(longer).to_bytes(8, "little") + longer + data[8 + length :])


def _add_a_pickle(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(b"\x80\x04N.")


#: What is done -> how.
KINDS: Mapping[str, Tampering] = {
    "file added": _add_file,
    "folder added": _add_folder,
    "file missing": _remove_file,
    "one bit of the weights flipped": _flip_a_bit,
    "file replaced by a link": _link_a_file,
    "folder replaced by a link": _link_a_folder,
    "probe.json swapped": _swap_the_probe,
    "probe.json swapped, manifest rewritten": covered(_swap_the_probe),
    "probe emptied, manifest rewritten": covered(_empty_the_probe),
    "scores edited": _edit_the_scores,
    "scores edited, manifest rewritten": covered(_edit_the_scores),
    "predictions edited, manifest rewritten": covered(_edit_the_predictions),
    "model card edited, manifest rewritten": covered(_edit_the_card),
    "manifest from a newer version": _make_it_newer,
    "labels swapped in the manifest": _rename_labels,
    "other data claimed": _claim_other_data,
    "another learning rate claimed, manifest rewritten": covered(_claim_another_rate),
    "weights changed, manifest rewritten": covered(_change_weights),
    "a tensor named twice, manifest rewritten": covered(_name_a_tensor_twice),
    "pickle added, manifest rewritten": covered(_add_a_pickle),
}
