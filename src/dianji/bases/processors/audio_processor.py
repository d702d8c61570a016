"""Feature extractors of transformers, with the tokenizer of models that write what they hear."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from transformers import AutoFeatureExtractor, AutoProcessor

from dianji.bases.processor import damaged
from dianji.bases.processors.tokenizer import Tokenizer
from dianji.bases.quiet import quiet
from dianji.registry import component


@component("processor", "audio-processor")
@dataclass(frozen=True)
class AudioProcessor:
    """Waveforms to features; a transformers processor where a tokenizer lies beside the feature extractor."""

    noun: ClassVar[str] = "feature extractor"
    modality: ClassVar[str] = "audio"
    files: ClassVar[tuple[str, ...]] = ("preprocessor_config.json", "processor_config.json", *Tokenizer.files)
    required: ClassVar[tuple[str, ...]] = ("preprocessor_config.json", "processor_config.json")

    def open(self, folder: Path) -> Any:
        """See ``Processor``."""
        writes = any(next(folder.glob(pattern), None) for pattern in Tokenizer.required)
        auto: Any = AutoProcessor if writes else AutoFeatureExtractor
        try:
            with quiet():
                return auto.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except Exception as error:  # the library raises whatever its parts raise
            raise damaged(folder, self, error) from error

    def save(self, processor: Any, folder: Path) -> None:
        """See ``Processor``."""
        processor.save_pretrained(folder)
