"""Writes an artefact: a Hugging Face folder with the evidence of its origin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from safetensors import SafetensorError
from torch import nn
from transformers import PretrainedConfig

from dianji.artefact.card import model_card, parts_card
from dianji.artefact.learnt import Evidence, Learnt
from dianji.artefact.loader import Loader, loader_of
from dianji.artefact.manifest import Manifest
from dianji.artefact.probe import Probe
from dianji.artefact.reproduce import FRESH, Reproduced
from dianji.bases.quiet import quiet
from dianji.errors import StoreError
from dianji.store.atomic import new_folder, write_json
from dianji.tasks.chain import keep_pooling


def keep_apart(learnt: Learnt, folder: Path, base: str) -> None:
    """Write an adapter's own weights to ``folder`` before they are merged away; nothing where there are none.

    Args:
        learnt: the model that is not merged yet.
        folder: is emptied.
        base: the name or path by which peft finds the base. Without one (a base that was drawn anew lies nowhere)
            nothing is written, since the adapter could not be opened.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not base:
        return
    learnt.adaptation.save(learnt.model.model, folder)
    file = folder / "adapter_config.json"
    if file.is_file():
        config = {**json.loads(file.read_text(encoding="utf-8")), "base_model_name_or_path": base}
        if _looks_back(learnt.model.model.config) != _looks_back(learnt.base.config):
            # The base as it lies there looks both ways: opened without a word about it, it would answer otherwise.
            config["auto_mapping"] = None
        file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _looks_back(config: PretrainedConfig) -> bool:
    return bool(getattr(config, "is_decoder", False))


def save(target: Path, learnt: Learnt, *, probe: Probe, adapter: Path, manifest: Manifest, evidence: Evidence) -> float:
    """Write the whole folder beside ``target``, have a fresh process reproduce the probe from it, then rename.

    Args:
        target: becomes the artefact; an existing folder is replaced.
        learnt: the merged model.
        probe: drawn before the merge, so that it proves the merge too.
        adapter: the folder that ``keep_apart`` wrote.
        manifest: without the files' digests.
        evidence: documents to keep.

    Returns:
        The largest difference of the fresh process to the probe.

    Raises:
        ArtefactError: the fresh process got something else; nothing is left at ``target``.
        StoreError: the disk is full or cannot be written.
    """
    with new_folder(target) as folder:
        try:
            with quiet():
                learnt.model.model.save_pretrained(folder)
        except SafetensorError as error:
            raise StoreError(f"{target}: the weights cannot be written ({error}). Is the disk full?") from error
        if hasattr(learnt.base.processor, "split_special_tokens"):  # other libraries are to read texts alike
            learnt.base.processor.split_special_tokens = not learnt.task.special_tokens
        learnt.base.save_processor(folder)
        keep_pooling(folder, learnt.base)
        if any(adapter.iterdir()):
            shutil.copytree(adapter, folder / "adapter")
        probe.write(folder)
        for name, document in evidence.documents.items():
            write_json(folder / "evidence" / f"{name}.json", document)
        for split, record in evidence.records.items():
            record.write(folder / "evidence", split)
        if evidence.events.exists():
            shutil.copyfile(evidence.events, folder / "evidence" / "events.jsonl")
        reproduced = _described(folder, learnt, manifest, evidence, loader_of(learnt.task, learnt.model))
        if reproduced.loader_fault:  # an advertisement that is not true is worse than none
            reproduced = _described(folder, learnt, manifest, evidence, Loader())
        return reproduced.difference


def _described(folder: Path, learnt: Learnt, manifest: Manifest, evidence: Evidence, loader: Loader) -> Reproduced:
    """Write the model card and the manifest, which name what opens the folder, and have a fresh process try."""
    manifest = replace(manifest, loader=loader.to_json())
    (folder / "README.md").write_text(model_card(manifest, learnt, evidence.documents), encoding="utf-8")
    manifest.write(folder)
    return FRESH.check(folder)


def save_parts(folder: Path, manifest: Manifest, documents: Mapping[str, Any], adapter: Path) -> None:
    """Complete the folder whose ``parts`` are saved: evidence and manifest of the whole, and a card that names them."""
    if any(adapter.iterdir()):
        shutil.copytree(adapter, folder / "adapter")
    for name, document in documents.items():
        write_json(folder / "evidence" / f"{name}.json", document)
    (folder / "README.md").write_text(parts_card(manifest, documents), encoding="utf-8")
    manifest.write(folder)


def draw_probe(learnt: Learnt, table: pa.Table | None, seed: int) -> Probe:
    """The probe of a model that is not merged yet; without a table its rows are invented."""
    if table is None:
        return Probe.invent(learnt.task, learnt.model.model, learnt.base, seed)
    return Probe.draw(learnt.task, learnt.model.model, learnt.base, table, seed)


def count(model: nn.Module) -> tuple[int, int]:
    """(parameters, parameters that learn); call it before the merge."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, learns in sizes if learns)


def settle(learnt: Learnt) -> None:
    """Training is over: the model goes to the CPU, in evaluation mode."""
    network: nn.Module = learnt.model.model
    network.to("cpu").eval()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch types only 4-d layouts


def merge(learnt: Learnt) -> None:
    """Put extra parts into the weights."""
    learnt.adaptation.merge(learnt.model.model)
