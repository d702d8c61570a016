"""The contract of a base, and of an architecture for new ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import torch
from torch import Tensor
from transformers import AutoModel

from dianji.bases.base import Base, BaseSource
from dianji.bases.folder import FolderBase
from dianji.bases.loading import is_optional
from dianji.bases.scratch import ScratchBase
from dianji.registry import REGISTRY
from dianji.testing import toys
from dianji.testing.component import ComponentContract


class BaseContract(ComponentContract):
    """``component`` is a registered base; with ``kind`` set to ``architecture``, an architecture."""

    kind: ClassVar[str] = "base"

    def source(self) -> BaseSource:
        """A fresh source of the base."""
        made: Any = self.make()
        source: BaseSource = made if self.kind == "base" else ScratchBase(made, seed=0)
        return source

    def table(self) -> pa.Table:
        """What a new base fits its processor to."""
        return toys.image_table() if self.source().card().modality == "image" else toys.text_table()

    def prepare(self) -> Base:
        """The base, ready."""
        return self.source().prepare(self.table())

    def test_its_card_is_filled_in(self) -> None:
        card = self.source().card()
        assert card.name
        assert card.modality
        assert card.offers(card.modality)
        assert card.processor in REGISTRY.names("processor")
        assert card.width > 0
        assert card.pretrained == (self.kind == "base")
        assert not card.pretrained or (card.licence != "unknown" and card.source and card.languages)

    def test_its_digest_is_stable(self) -> None:
        assert self.source().digest() == self.source().digest()

    def test_is_prepared_the_same_each_time(self) -> None:
        first, second = self.prepare(), self.prepare()
        assert first.card == self.source().card()
        assert first.config.to_dict() == second.config.to_dict()
        assert first.card.architecture == first.config.model_type
        assert all(torch.equal(a, b) for a, b in zip(_inputs(first).values(), _inputs(second).values(), strict=True))

    def test_loads_ready_to_be_asked(self) -> None:
        base = self.prepare()
        model = base.load(AutoModel)
        assert not model.training
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
        drawn = [name for name in base.new_weights if not is_optional(name)]  # a pooler is nobody's hidden state
        assert bool(drawn) == (base.folder is None)
        hidden = _say(model, base)
        assert hidden.shape[0] == 4
        assert base.card.width in hidden.shape[1:]

    def test_new_weights_follow_from_the_seed(self) -> None:
        said = []
        for _ in range(2):
            base = self.prepare()
            torch.manual_seed(5)
            said.append(_say(base.load(AutoModel), base))
        assert torch.equal(*said)

    def test_a_saved_folder_opens_and_says_the_same(self, tmp_path: Path) -> None:
        base = self.prepare()
        model = base.load(AutoModel)
        model.save_pretrained(tmp_path)
        base.save_processor(tmp_path)
        opened = FolderBase(tmp_path).prepare(self.table())
        again = opened.load(AutoModel)
        opened.require_complete()
        assert opened.card.modality == base.card.modality
        torch.testing.assert_close(_say(again, opened), _say(model, base), atol=1e-6, rtol=0)


def _inputs(base: Base) -> dict[str, Tensor]:
    """The first four rows of the toys as the base's processor has them."""
    if base.card.modality == "image":
        from dianji.data.images import open_image

        images = [open_image(value, "toy") for value in toys.image_table()["image"].to_pylist()[:4]]
        return {"pixel_values": base.processor(images, return_tensors="pt")["pixel_values"]}
    encoded = base.processor(toys.text_table()["text"].to_pylist()[:4], padding=True, return_tensors="pt")
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def _say(model: Any, base: Base) -> Tensor:
    inputs = _inputs(base)
    if base.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"]
    with torch.inference_mode():
        hidden: Tensor = model(**inputs)[0]
    return hidden
