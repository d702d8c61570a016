from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    RobertaConfig,
)

from dianji.tasks._positions import logits_at

INPUTS = {"input_ids": torch.randint(5, 20, (3, 7)), "attention_mask": torch.ones(3, 7, dtype=torch.int64)}
WANTED = torch.tensor([[0, 1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]]).bool()


class Wrapper(torch.nn.Module):
    """What data parallelism does: the model is one level down."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, **inputs):
        return self.module(**inputs)


def head_calls(model):
    """How many positions the output layer sees."""
    seen: list[int] = []
    layer = model.get_output_embeddings()
    layer.register_forward_hook(lambda module, args, output: seen.append(output.shape[:-1].numel()))
    return seen


@pytest.mark.parametrize(
    ("kind", "auto"),
    [
        (BertConfig, AutoModelForMaskedLM),
        (RobertaConfig, AutoModelForMaskedLM),
        (DistilBertConfig, AutoModelForMaskedLM),
        (ElectraConfig, AutoModelForMaskedLM),
        (GPT2Config, AutoModelForCausalLM),
    ],
)
@pytest.mark.parametrize("wrap", [lambda model: model, Wrapper])
def test_the_head_sees_only_wanted_positions_and_says_the_same(toy, kind, auto, wrap):
    model = auto.from_config(toy(kind).config).eval()
    full = model(**INPUTS).logits[WANTED]
    seen = head_calls(model)
    found = logits_at(wrap(model), INPUTS, WANTED)
    torch.testing.assert_close(found, full)
    assert seen == [9]
    assert not model.base_model._forward_hooks


def test_gradients_are_those_of_the_slow_way(bert):
    model = AutoModelForMaskedLM.from_config(bert.config).eval()
    model(**INPUTS).logits[WANTED].square().mean().backward()
    slow = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    logits_at(model, INPUTS, WANTED).square().mean().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, slow[name], msg=name)


def test_no_position_at_all(bert):
    model = AutoModelForMaskedLM.from_config(bert.config).eval()
    assert logits_at(model, INPUTS, torch.zeros(3, 7, dtype=torch.bool)).shape == (0, bert.config.vocab_size)


def test_another_call_of_the_same_model_is_left_alone(bert):
    model = AutoModelForMaskedLM.from_config(bert.config).eval()
    others = {name: tensor.clone() for name, tensor in INPUTS.items()}
    inner: list[torch.Tensor] = []

    class Nested(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, **inputs):
            inner.append(model(**others).logits)
            return model(**inputs)

    logits_at(Nested(), INPUTS, WANTED)
    assert inner[0].shape == (3, 7, bert.config.vocab_size)


def test_a_compiled_model_computes_everything(bert):
    model = AutoModelForMaskedLM.from_config(bert.config).eval()
    seen = head_calls(model)
    model._compiled_call_impl = model._call_impl  # what Module.compile sets, without waiting for a compiler
    torch.testing.assert_close(logits_at(model, INPUTS, WANTED), model(**INPUTS).logits[WANTED])
    assert seen[0] == 21


def test_a_model_that_transformers_does_not_know_computes_everything():
    class Plain(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return SimpleNamespace(logits=torch.nn.functional.one_hot(input_ids, 20).double())

    found = logits_at(Plain(), INPUTS, WANTED)
    assert found.dtype == torch.float32
    assert found.argmax(-1).tolist() == INPUTS["input_ids"][WANTED].tolist()
