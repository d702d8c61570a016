from typing import Any

import numpy as np

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
