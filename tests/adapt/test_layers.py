from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    BartConfig,
    BartForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    PretrainedConfig,
    PreTrainedModel,
)

from dianji.adapt.layers import after_stack, find_stack, hold_still, let_learn, trunk_of
from dianji.errors import CapabilityError
from dianji.tasks.base import TaskModel
from dianji.testing.toys import MODELS, resnet


class Bare(PreTrainedModel):
    """A model whose only layers are a head and a single linear one."""

    config_class = PretrainedConfig

    def __init__(self):
        super().__init__(PretrainedConfig())
        self.trunk = nn.Linear(4, 4)
        self.head = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("name", "stack", "layers", "after"),
    [
        ("pooled-bert", "backbone.encoder.layer", 2, {"backbone.pooler.dense.weight", "backbone.pooler.dense.bias"}),
        ("bert", "bert.encoder.layer", 2, {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}),
        ("gpt2", "transformer.h", 2, {"transformer.ln_f.weight", "transformer.ln_f.bias"}),
        ("vit", "vit.layers", 2, {"vit.layernorm.weight", "vit.layernorm.bias"}),
        ("resnet", "resnet.encoder.stages", 2, set()),
    ],
)
def test_finds_the_layers_of_any_architecture(name, stack, layers, after):
    model = MODELS[name]().model
    found = find_stack(model)
    assert (found.name, len(found.layers)) == (stack, layers)
    assert after_stack(model, found) == after


def test_of_encoder_and_decoder_the_larger_stack_is_taken():
    config = BartConfig(
        vocab_size=20,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=16,
    )
    model = TaskModel(BartForSequenceClassification(config), ("classification_head",))
    assert find_stack(model).name == "model.decoder.layers"


def test_embeddings_after_the_layers_stay_out():
    model = MODELS["bert"]().model
    model.model.extra = nn.Embedding(3, 4)
    assert not {name for name in after_stack(model, find_stack(model)) if "extra" in name}


def test_says_what_it_looked_for():
    with pytest.raises(CapabilityError, match=r"Bare has no stack of layers: a ModuleList or Sequential .*\(head\)"):
        find_stack(TaskModel(Bare(), ("head",)))


def test_the_trunk_is_what_an_auto_class_loads():
    pooled, plain = MODELS["pooled-bert"]().model.model, MODELS["bert"]().model.model
    assert trunk_of(pooled) is pooled.backbone
    assert trunk_of(plain) is plain
    tied = BertForMaskedLM(BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
    assert trunk_of(tied) is tied


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def test_frozen_norms_hold_still_and_learning_ones_move():
    toy = resnet()
    trunk: Any = toy.model.model.resnet
    stages = trunk.encoder.stages
    toy.model.model.requires_grad_(False)
    stages[1].requires_grad_(True)
    toy.model.model.train()
    hold_still(toy.model.model)
    assert all(norm.training for norm in norms(stages[1]))
    assert not any(norm.training for norm in [*norms(stages[0]), *norms(trunk.embedder)])

    before = {name: buffer.clone() for name, buffer in toy.model.model.named_buffers()}
    toy.logits()
    moved = {name for name, buffer in toy.model.model.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved
    assert all(name.startswith("resnet.encoder.stages.1.") for name in moved)


def test_a_norm_without_weights_goes_with_the_module_around_it():
    inner = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False))
    model = nn.Sequential(inner, nn.Linear(2, 2)).train()
    hold_still(model)
    assert inner[1].training
    inner[0].requires_grad_(False)
    hold_still(model)
    assert not inner[1].training


def dropouts(model, *, training):
    return {name for name, m in model.named_modules() if isinstance(m, nn.Dropout) and m.training is training}


def test_a_frozen_trunk_makes_no_noise_and_its_head_may():
    for name in ("bert", "pooled-bert"):
        model = MODELS[name]().model
        let_learn(model, lambda name: False)
        model.model.train()
        hold_still(model.model)
        assert dropouts(model.model, training=True) == {"dropout"}, name


def test_what_stands_before_the_first_layer_that_learns_makes_no_noise():
    model = MODELS["gpt2"]().model
    let_learn(model, lambda name: name.startswith("transformer.h.1."))
    model.model.train()
    hold_still(model.model)
    still = dropouts(model.model, training=False)
    assert "transformer.drop" in still
    assert "transformer.h.0.mlp.dropout" in still
    assert dropouts(model.model, training=True) == {
        f"transformer.h.1.{name}" for name in ("attn.attn_dropout", "attn.resid_dropout", "mlp.dropout")
    }


def test_where_everything_learns_nothing_holds_still():
    model = MODELS["bert"]().model.model.train()
    hold_still(model)
    assert all(module.training for module in model.modules())
