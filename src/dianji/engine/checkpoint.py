"""Checkpoints: tensors in safetensors, other values in JSON, a digest of each file; the two newest are kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dianji.errors import ResumeError, StoreError
from dianji.sharded import copy_into
from dianji.store.atomic import new_folder
from dianji.store.digest import digest_file

KEPT = 2


@dataclass
class Snapshot:
    """The state of a run: named tensors and plain values."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, prefix: str, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Put a part's state under a prefix; ``part`` is its inverse."""
        self.tensors.update({f"{prefix}/{name}": tensor for name, tensor in tensors.items()})
        self.values[prefix] = values

    def part(self, prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors and values that ``add`` put under the prefix."""
        start = f"{prefix}/"
        tensors = {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}
        return tensors, self.values[prefix]


def write(folder: Path, step: int, snapshot: Snapshot) -> None:
    """Write checkpoint ``step`` below ``folder`` and drop all but the newest two.

    Raises:
        StoreError: the disk is full or cannot be written; older checkpoints stay as they were.
    """
    with new_folder(folder / f"{step:010d}") as temporary:
        # Contiguous copies, since safetensors refuses tensors that share memory.
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in snapshot.tensors.items()}
        try:
            save_file(tensors, temporary / "state.safetensors")
        except SafetensorError as error:
            raise StoreError(f"{folder}: the checkpoint cannot be written ({error}). Is the disk full?") from error
        (temporary / "state.json").write_text(json.dumps(snapshot.values, allow_nan=True), encoding="utf-8")
        files = {name: digest_file(temporary / name) for name in ("state.safetensors", "state.json")}
        (temporary / "digests.json").write_text(json.dumps(files), encoding="utf-8")
    for old in _newest_first(folder)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


@dataclass(frozen=True)
class Found:
    """The newest sound checkpoint, and the damaged ones that were skipped."""

    step: int
    snapshot: Snapshot
    damaged: tuple[str, ...]


def newest(folder: Path) -> Found | None:
    """The newest checkpoint that is whole; None where there is none at all.

    Raises:
        ResumeError: there are checkpoints, and every one is damaged.
    """
    damaged: list[str] = []
    candidates = _newest_first(folder)
    for candidate in candidates:
        try:
            return Found(int(candidate.name), _read(candidate), tuple(damaged))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            damaged.append(f"{candidate}: {error}")
    if candidates:
        raise ResumeError(
            "every checkpoint is damaged:\n"
            + "\n".join(damaged)
            + "\nStart the stage anew with `dianji run … --again`."
        )
    return None


def _read(folder: Path) -> Snapshot:
    for name, expected in json.loads((folder / "digests.json").read_text(encoding="utf-8")).items():
        if digest_file(folder / name) != expected:
            raise ValueError(f"{name} is not what was written (its sha256 differs)")
    values = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    return Snapshot(load_file(folder / "state.safetensors"), values)


def _newest_first(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.name.isdigit()), reverse=True)


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as tensors and plain values; ``unpack_optimizer`` is its inverse."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{key}"] = value
            else:
                plain.setdefault(str(index), {})[key] = value
    groups = [{key: value for key, value in group.items() if _plain(value)} for group in state["param_groups"]]
    return tensors, {"state": plain, "groups": groups}


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Put the packed state back."""
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in values["state"].items()}
    for name, tensor in tensors.items():
        index, key = name.split("/", 1)
        state.setdefault(int(index), {})[key] = tensor
    fresh = optimizer.state_dict()["param_groups"]
    groups = [{**group, **_tuples(saved)} for group, saved in zip(fresh, values["groups"], strict=True)]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, entries in optimizer.state.items():
        for key, value in entries.items():
            if type(value) is Tensor and value.shape == parameter.shape:  # not of a kind with a layout of its own
                # Fused kernels walk through memory: the state must lie as its parameter does.
                entries[key] = torch.empty_like(parameter, dtype=value.dtype)
                copy_into(entries[key], value)


def _plain(value: object) -> bool:
    return isinstance(value, (int, float, str, bool, list, tuple, type(None)))


def _tuples(group: dict[str, Any]) -> dict[str, Any]:
    """Restores tuples such as the betas, which JSON turns into lists; ``params`` must stay a list."""
    return {key: tuple(value) if isinstance(value, list) and key != "params" else value for key, value in group.items()}


def learnt(model: torch.nn.Module) -> dict[str, Tensor]:
    """The tensors that training may have changed: parameters that learn, and buffers such as running statistics."""
    kept: dict[str, Tensor] = {name: p.data for name, p in model.named_parameters() if p.requires_grad}
    kept.update({name: buffer for name, buffer in model.named_buffers() if buffer is not None})
    return kept


def put_back(model: torch.nn.Module, tensors: dict[str, Tensor]) -> None:
    """Inverse of ``learnt``, in place.

    Raises:
        ResumeError: the names differ, so that this checkpoint is of another model.
    """
    present = learnt(model)
    if set(present) != set(tensors):
        odd = sorted(set(present) ^ set(tensors))[:3]
        raise ResumeError(f"the checkpoint is of another model (differs in {', '.join(odd)}). Start anew with --again.")
    copy_all(((present[name], tensor) for name, tensor in tensors.items()))


def copy_all(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Copy each second tensor into the first."""
    for target, source in pairs:
        copy_into(target, source)
