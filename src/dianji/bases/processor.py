"""The contract of a processor: it makes a model's inputs from rows, and lies beside the model's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol

from dianji.errors import BaseError
from dianji.registry import REGISTRY


class Processor(Protocol):
    """A frozen dataclass, registered as ``processor``; a base's card names its processor.

    A tokenizer, an image processor, a feature extractor, an entity table.
    """

    #: What messages call it.
    noun: ClassVar[str]
    #: The modality of a base that has nothing else to name its processor by.
    modality: ClassVar[str]
    #: Patterns of its files in a model folder; one of ``required`` must be there, the first is the usual one.
    files: ClassVar[tuple[str, ...]]
    required: ClassVar[tuple[str, ...]]

    def open(self, folder: Path) -> Any:
        """The processor of a folder; no network, no code from the folder, no pickles.

        Raises:
            BaseError: a file is damaged.
        """
        ...

    def save(self, processor: Any, folder: Path) -> None:
        """Inverse of ``open``."""
        ...


def processor(name: str) -> Processor:
    """The registered processor of that name.

    Raises:
        RecipeError: there is none.
    """
    found: Processor = REGISTRY.build("processor", name, {})
    return found


def processor_for(modality: str) -> str:
    """The name of the usual processor of a modality; empty where there is none."""
    names = REGISTRY.names("processor")
    return next((name for name, cls in names.items() if cls.modality == modality), "")


def processor_files() -> set[str]:
    """Patterns of the files of all processors: they decide a model's answers as much as its weights."""
    return {pattern for cls in REGISTRY.names("processor").values() for pattern in cls.files}


def require_processor(folder: Path, name: str) -> None:
    """Refuse a folder without the processor: transformers would make up an empty one.

    Raises:
        BaseError: says which file is expected.
    """
    of = processor(name)
    if not any(next(folder.glob(pattern), None) for pattern in of.required):
        raise BaseError(
            f"base folder {folder} has no {of.noun}; expected {of.required[0]} beside the weights. "
            "Copy it from where the weights came from."
        )


def damaged(folder: Path, of: Processor, error: Exception) -> BaseError:
    """The error about a processor that cannot be opened."""
    reason = " ".join(str(error).split())
    return BaseError(
        f"base folder {folder}: its {of.noun} cannot be opened ({reason[:300]}). Expected {of.required[0]} as saved by "
        "transformers. Copy or download the file again."
    )
