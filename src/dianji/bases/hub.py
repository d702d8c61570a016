"""A base on the Hugging Face Hub: downloaded once, then a folder like any other."""

from __future__ import annotations

import dataclasses
import functools
import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from dianji.bases.base import Base, Card, Modality
from dianji.bases.cards import read_card
from dianji.bases.digests import folder_digest
from dianji.bases.folder import open_folder
from dianji.errors import BaseError

#: Weights, configuration and processor; neither pickles nor code are ever fetched.
_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.tiktoken", "README.md")
#: Copies of the weights for other runtimes.
_UNWANTED = ("onnx/*", "openvino/*", "coreml/*", "original/*", "*.onnx.json")


@dataclass(frozen=True)
class HubBase:
    """``org/name``. With ``HF_HUB_OFFLINE=1`` only what is already in the local cache is used."""

    name: str
    modality: Modality = ""

    def card(self) -> Card:
        """The folder's card under the name on the Hub. Downloads the model where it is not in the cache."""
        card = read_card(self._folder(), self.modality)
        return dataclasses.replace(card, name=self.name, source=card.source or self.name)

    def digest(self) -> str:
        """Over the bytes, not over the name: what a name stands for may change."""
        return folder_digest(self._folder())

    def prepare(self, table: pa.Table) -> Base:
        """The base as it was published; ``table`` teaches it nothing."""
        return open_folder(self._folder(), self.card())

    def _folder(self) -> Path:
        return _download(self.name, os.environ.get("HF_HOME"))


@functools.cache
def _download(name: str, home: str | None) -> Path:
    """The snapshot's folder; once per process, so that card, digest and weights are of one revision."""
    try:
        folder = Path(snapshot_download(name, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED)))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())
        raise BaseError(
            f"base '{name}': there is no folder of this name here, and the Hugging Face Hub did not give it: "
            f"{reason[:300]}. Check the name (org/name) and the network. To work offline, download the model once on a "
            f"machine with network ('hf download {name} --local-dir DIR') and give the folder as the base."
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise BaseError(
            f"base '{name}' has no safetensors weights in {folder}; pickled ones, which the Hub may have, are never "
            "fetched. Convert the model on a machine where it is trusted, with transformers' save_pretrained(), and "
            "give the new folder as the base."
        )
    return folder
