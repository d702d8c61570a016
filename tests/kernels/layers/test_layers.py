"""Fast layers say and learn what the plain ones do: with padding, with dropout, in every family."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from dianji.engine.dropout import cheap_dropout
from dianji.kernels.layers.fast import FastLayers, find_fast_layers

pytestmark = pytest.mark.usefixtures("between")

CPU = torch.device("cpu")
SMALL = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 48,
    "pad_token_id": 0,
}
IMAGE = {**SMALL, "image_size": 16, "patch_size": 4, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
TEXT = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie", "data2vec-text", "roc_bert")
PICTURES = ("vit", "deit", "vit_msn")


def make(model_type: str, **options: Any) -> PreTrainedModel:
    """A model of two layers, every number of which was drawn: biases and norms too."""
    if model_type == "distilbert":
        small: dict[str, Any] = {"vocab_size": 40, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}
    else:
        small = {**(IMAGE if model_type in PICTURES else SMALL)}
        if model_type == "electra":
            small["embedding_size"] = 8
    config = AutoConfig.for_model(model_type, **{**small, **options})
    torch.manual_seed(1)
    model: PreTrainedModel = AutoModel.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def batch_of(model_type: str, lengths: tuple[int, ...] = (9, 5, 1, 7)) -> dict[str, Tensor]:
    torch.manual_seed(2)
    if model_type in PICTURES:
        return {"pixel_values": torch.randn(3, 3, 16, 16)}
    ids = torch.randint(5, 40, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def states_and_gradients(
    model: nn.Module, batch: dict[str, Tensor], fast: FastLayers | None
) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    torch.manual_seed(3)
    with cheap_dropout(), fast.on() if fast else nullcontext():
        states = model(**batch).last_hidden_state
        mask = batch.get("attention_mask")
        real = states if mask is None else states * mask.unsqueeze(-1)
        (real * torch.linspace(-1, 1, real.shape[-1])).square().mean().backward()
    return real.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_alike(model: PreTrainedModel, batch: dict[str, Tensor]) -> None:
    fast = find_fast_layers(model, CPU)
    assert fast.layers, fast.description
    plain, plain_grads = states_and_gradients(model, batch, None)
    quick, fast_grads = states_and_gradients(model, batch, fast)
    torch.testing.assert_close(quick, plain, rtol=1e-4, atol=1e-5)
    assert fast_grads.keys() == plain_grads.keys()
    for name, wanted in plain_grads.items():
        torch.testing.assert_close(fast_grads[name], wanted, rtol=2e-3, atol=2e-6, msg=name)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("model_type", [*TEXT, "distilbert", *PICTURES])
def test_every_family_agrees_with_its_plain_form(model_type: str, training: bool) -> None:
    """In training mode too: both draw the same masks, in the same order, from the same generator."""
    assert_alike(make(model_type).train(training), batch_of(model_type))


@pytest.mark.parametrize("heads", [1, 4, 8])
def test_heads_of_any_width(heads: int) -> None:
    assert_alike(make("bert", hidden_size=128, num_attention_heads=heads).train(), batch_of("bert"))


@pytest.mark.parametrize("lengths", [(1, 1), (16, 16), (17, 3), (33, 20)])
def test_any_length_with_and_without_padding(lengths: tuple[int, ...]) -> None:
    assert_alike(make("bert").train(), batch_of("bert", lengths))


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "silu"])
def test_activations(activation: str) -> None:
    assert_alike(make("bert", hidden_act=activation).eval(), batch_of("bert"))


def test_eager_attention_hands_over_another_mask() -> None:
    assert_alike(make("bert", attn_implementation="eager").eval(), batch_of("bert"))


def test_frozen_layers_get_no_gradient_and_pass_it_on() -> None:
    model = make("bert").train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("layer.0.output" in name or "layer.1.attention.self.query" in name)
    assert_alike(model, batch_of("bert"))


def test_checkpointed_layers_draw_the_same_masks_again() -> None:
    model = make("bert").train()
    fast = find_fast_layers(model, CPU)
    wanted = states_and_gradients(model, batch_of("bert"), fast)[1]
    wanted = {name: grad.clone() for name, grad in wanted.items()}
    # Renamed in transformers 5.2x; the old name is an alias until 6.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    found = states_and_gradients(model, batch_of("bert"), fast)[1]
    for name, grad in wanted.items():
        assert torch.equal(found[name], grad), name


class TestLora:
    @pytest.fixture
    def model(self) -> PreTrainedModel:
        from peft import LoraConfig, inject_adapter_in_model

        model = make("bert")
        config = LoraConfig(r=3, lora_alpha=6, target_modules=["query", "value", "output.dense"])
        inject_adapter_in_model(config, model)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.normal_(std=0.1)
        model.train()
        return model

    def test_low_rank_parts_agree(self, model: PreTrainedModel) -> None:
        assert_alike(model, batch_of("bert"))

    def test_low_rank_parts_with_dropout_are_left_to_peft(self) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        model = make("bert")
        inject_adapter_in_model(LoraConfig(r=2, lora_dropout=0.5, target_modules=["query"]), model)
        fast = find_fast_layers(model, CPU)
        assert not fast.layers
        assert "LoRA with dropout" in fast.description


class TestPrecision:
    @pytest.mark.parametrize("model_type", ["bert", "electra"])  # before whose first layer there is a product
    def test_products_follow_autocast_and_the_residual_stays_exact(self, model_type: str) -> None:
        model, batch = make(model_type).eval(), batch_of(model_type)
        exact = model(**batch).last_hidden_state
        fast = find_fast_layers(model, CPU)
        with torch.autocast("cpu", torch.bfloat16), fast.on():
            rough = model(**batch).last_hidden_state
        real = batch["attention_mask"].bool()
        rough, exact = rough[real], exact[real]
        assert rough.dtype == torch.float32
        assert not torch.equal(rough, exact)
        assert (rough - exact).abs().mean() < 0.02 * exact.abs().mean()

    @pytest.mark.parametrize("wide", [24, 64])  # a multiple of 32 fits the tiles of AMX
    def test_gradients_in_bf16_point_where_those_in_fp32_do(self, wide: int) -> None:
        model, batch = make("bert", intermediate_size=wide).eval(), batch_of("bert")
        exact = {n: g.clone() for n, g in states_and_gradients(model, batch, find_fast_layers(model, CPU))[1].items()}
        with torch.autocast("cpu", torch.bfloat16):
            rough = states_and_gradients(model, batch, find_fast_layers(model, CPU))[1]
        for name, wanted in exact.items():
            if wanted.norm() > 1e-6:  # the key's bias has no gradient: softmax does not see it
                assert torch.cosine_similarity(rough[name].flatten(), wanted.flatten(), dim=0) > 0.99, name
                assert rough[name].dtype == torch.float32


def test_weights_are_cast_once_a_step_and_anew_after_it() -> None:
    """A fused optimiser writes without counting, so the loop has to tell of a new step."""
    model, batch = make("bert").eval(), batch_of("bert")
    fast = find_fast_layers(model, CPU)
    product = next(iter(fast.layers.values())).products[0]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    states_and_gradients(model, batch, fast)
    x = torch.randn(3, 32).bfloat16()
    before = product.cast(torch.bfloat16)
    assert product.cast(torch.bfloat16) is before
    was = product.forward(x)[0].clone()
    optimizer.step()
    fast.renew()
    after = product.forward(x)[0]
    assert not torch.equal(after, was)
    plain = torch.cat([part.weight for part in product.parts]).bfloat16()
    bias = torch.cat([part.bias for part in product.parts if part.bias is not None])
    torch.testing.assert_close(after.float(), x.float() @ plain.float().t() + bias, rtol=2e-2, atol=2e-2)


def test_weights_cast_while_the_model_was_only_asked_are_cast_again_in_training() -> None:
    model, batch = make("bert"), batch_of("bert")
    fast = find_fast_layers(model, CPU)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), fast.on():
        model(**batch)
    fast.renew()
    with torch.autocast("cpu", torch.bfloat16):
        _, grads = states_and_gradients(model, batch, fast)
    assert grads["encoder.layer.0.attention.self.query.weight"].isfinite().all()


class TestRefusals:
    @pytest.mark.parametrize("model_type", ["gpt2", "albert", "mpnet"])
    def test_other_architectures_are_left_alone_and_named(self, model_type: str) -> None:
        model = AutoModel.from_config(AutoConfig.for_model(model_type))
        fast = find_fast_layers(model, CPU)
        assert not fast.layers
        assert fast.description.startswith("none, ")

    def test_a_layer_that_computes_something_else_is_found_out(self) -> None:
        model = make("bert").eval()
        intermediate = model.get_submodule("encoder.layer.0.intermediate")
        plain = intermediate.forward
        intermediate.forward = lambda states: plain(states) * 1.5
        fast = find_fast_layers(model, CPU)
        assert not fast.layers
        assert "computes something else" in fast.description

    def test_a_module_with_hooks_is_left_alone(self) -> None:
        model = make("bert")
        model.get_submodule("encoder.layer.0.attention.self.query").register_forward_hook(lambda *of: None)
        assert "attention.self.query" in find_fast_layers(model, CPU).description

    def test_an_unknown_activation_is_left_alone(self) -> None:
        assert "activation" in find_fast_layers(make("bert", hidden_act="quick_gelu"), CPU).description

    def test_other_devices(self) -> None:
        assert find_fast_layers(make("bert"), torch.device("mps")).description == "none on mps"
        told = find_fast_layers(make("bert"), torch.device("cuda")).description  # where this model is not
        assert told.startswith("none, attention of variable length is not to be had here (")


def test_layers_are_as_before_afterwards() -> None:
    model = make("bert")
    names = set(model.state_dict())
    fast = find_fast_layers(model, CPU)
    with fast.on():
        assert all("forward" in vars(layer) for layer in fast.layers)
    with pytest.raises(RuntimeError, match="size of tensor"), fast.on():
        model(inputs_embeds=torch.ones(1, 3, 5))
    assert not any("forward" in vars(layer) for layer in fast.layers)
    assert set(model.state_dict()) == names
