"""Image processors of transformers, on Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from transformers import AutoImageProcessor

from dianji.bases.processor import damaged
from dianji.bases.quiet import quiet
from dianji.registry import component


@component("processor", "image-processor")
@dataclass(frozen=True)
class ImageProcessor:
    """Images to normalised pixels of one size."""

    noun: ClassVar[str] = "image processor"
    modality: ClassVar[str] = "image"
    files: ClassVar[tuple[str, ...]] = ("preprocessor_config.json", "processor_config.json")
    required: ClassVar[tuple[str, ...]] = ("preprocessor_config.json", "processor_config.json")

    def open(self, folder: Path) -> Any:
        """See ``Processor``."""
        try:
            with quiet():
                # Pillow even where torchvision is installed: the two scale differently, and what was measured is
                # served.
                return AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]  # unannotated there
                    folder, trust_remote_code=False, local_files_only=True, backend="pil"
                )
        except Exception as error:  # the library raises whatever its parts raise
            raise damaged(folder, self, error) from error

    def save(self, processor: Any, folder: Path) -> None:
        """See ``Processor``."""
        processor.save_pretrained(folder)
