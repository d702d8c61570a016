"""A model that is asked: in fp32 as it was evaluated, in bf16 within the rounding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dianji.engine.inference import Inference
from dianji.errors import CapabilityError
from tests.kernels.layers.test_layers import batch_of, make


def test_fp32_is_the_plain_model_to_the_bit() -> None:
    model, batch = make("bert").eval(), batch_of("bert")
    with torch.inference_mode():
        plain = model(**batch).last_hidden_state
        with Inference(model, "fp32").on():
            assert torch.equal(model(**batch).last_hidden_state, plain)


@pytest.mark.parametrize("model_type", ["bert", "gpt2"])
def test_bf16_rounds_products_with_and_without_a_fast_form(model_type: str) -> None:
    model: nn.Module = make(model_type).eval()
    batch = batch_of("bert")
    with torch.inference_mode():
        plain = model(**batch).last_hidden_state
        with Inference(model, "bf16").on():
            rounded = model(**batch).last_hidden_state
        assert not torch.equal(rounded, plain)
        real = batch["attention_mask"].bool()
        torch.testing.assert_close(rounded[real].float(), plain[real], rtol=0.1, atol=0.1)
        assert torch.equal(model(**batch).last_hidden_state, plain)  # nothing stays behind


def test_fp16_needs_a_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(CapabilityError, match="fp16 needs a GPU"):
        Inference(make("bert"), "fp16")
