"""The base of models that put something on a backbone."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from dianji.bases.base import Base
from dianji.errors import CapabilityError


class Wrapper(PreTrainedModel):  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    """A model of transformers whose trunk goes by ``backbone``."""

    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    # The backbone has settled which attention it runs; what surrounds it agrees to any.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)  # type: ignore[no-untyped-call]  # typed here for those that derive


def require_tokens(base: Base) -> None:
    """Refuse a base whose output is a decoder's answer, which has no vector per token of the input.

    Raises:
        CapabilityError: names the base.
    """
    if base.config.is_encoder_decoder:
        raise CapabilityError(
            f"base '{base.card.name}' is an encoder-decoder ({base.config.model_type}), and this task reads the "
            "tokens of an encoder or of a decoder alone. Choose such a base."
        )
