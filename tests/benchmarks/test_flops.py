from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from tests.benchmarks.loading import load

flops = load("suite.flops")

LAYERS, WIDTH, INNER = 2, 16, 64


def model() -> BertModel:
    config = BertConfig(
        vocab_size=30,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=INNER,
    )
    network = BertModel(config, add_pooling_layer=False)
    network.set_attn_implementation("eager")  # whose products torch counts
    return network


@pytest.mark.parametrize("tokens", [1, 5, 24])
def test_the_formula_is_what_torch_counts(tokens: int):
    encoder = flops.Encoder(LAYERS, WIDTH, INNER)
    network, text = model(), torch.zeros(1, tokens, dtype=torch.long)
    with FlopCounterMode(display=False) as forward:
        hidden = network(text).last_hidden_state
    assert encoder.forward([tokens]) == forward.get_total_flops()
    with FlopCounterMode(display=False) as backward:
        hidden.sum().backward()
    both = forward.get_total_flops() + backward.get_total_flops()
    assert encoder.training([tokens], flops.BACKWARD["full"]) == both


def test_texts_add_up_and_longer_ones_cost_more_than_their_tokens():
    encoder = flops.Encoder(LAYERS, WIDTH, INNER)
    assert encoder.forward([3, 4]) == encoder.forward([3]) + encoder.forward([4])
    assert encoder.forward([8]) > 2 * encoder.forward([4])
    assert encoder.forward([]) == 0


def test_a_masked_language_head_is_only_needed_where_tokens_are_masked():
    encoder = flops.Encoder(LAYERS, WIDTH, INNER, vocabulary=100)
    without = encoder.training([10], 2.0)
    assert encoder.training([10], 2.0, masked=0.2) - without == 3 * 2 * 2 * WIDTH * (WIDTH + 100)
    assert flops.Encoder(LAYERS, WIDTH, INNER).head(10) == 0


def test_backward_of_the_last_layers_is_their_share():
    assert flops.share_of(6, 6) == flops.BACKWARD["full"]
    assert flops.share_of(6, 2) == pytest.approx(2 / 3)


def test_utilisation():
    assert flops.utilisation(5e11, 1.0, 1e12) == 0.5
