from typing import Any

import numpy as np
from transformers import WhisperFeatureExtractor, WhisperProcessor

from dianji.bases.processors.audio_processor import AudioProcessor
from dianji.bases.processors.image_processor import ImageProcessor
from dianji.bases.processors.tokenizer import Tokenizer
from dianji.data.images import open_image
from dianji.testing import toys
from dianji.testing.processor import ProcessorContract


class TestTokenizer(ProcessorContract):
    component = Tokenizer

    def made(self) -> Any:
        return toys.text_base().processor

    def answer(self, made: Any) -> Any:
        return made(toys.text_table()["text"].to_pylist())["input_ids"]


class TestImageProcessor(ProcessorContract):
    component = ImageProcessor

    def made(self) -> Any:
        return toys.image_base().processor

    def answer(self, made: Any) -> Any:
        images = [open_image(value, "toy") for value in toys.image_table()["image"].to_pylist()[:2]]
        return np.asarray(made(images)["pixel_values"]).tolist()


class TestAudioProcessor(ProcessorContract):
    component = AudioProcessor

    def made(self) -> Any:
        return WhisperFeatureExtractor(feature_size=8, chunk_length=1)

    def answer(self, made: Any) -> Any:
        waves = np.random.default_rng(0).standard_normal((2, 16_000)).astype(np.float32)
        return np.asarray(made(list(waves), sampling_rate=16_000)["input_features"]).tolist()


class TestAudioProcessorThatWrites(TestAudioProcessor):
    """With a tokenizer, as speech recognition has it."""

    def made(self) -> Any:
        return WhisperProcessor(super().made(), toys.text_base().processor)

    def answer(self, made: Any) -> Any:
        features = made.feature_extractor if hasattr(made, "feature_extractor") else made
        return super().answer(features), made.tokenizer("a card")["input_ids"]
