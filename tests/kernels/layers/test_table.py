"""A word table cut to the words that occur learns what the whole one learns."""

from __future__ import annotations

import copy
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedModel

from dianji.engine.optimizers import Adafactor
from dianji.kernels.layers.table import CompactTable, shrink_table
from dianji.registry import REGISTRY
from tests.kernels.layers.test_layers import SMALL

EXAMPLES = pa.table({"input_ids": [[1, 7, 9], [1, 12], [30, 7]]})
OCCUR = [0, 1, 7, 9, 12, 30]


def make(auto: Any = AutoModel) -> PreTrainedModel:
    torch.manual_seed(1)
    model: PreTrainedModel = auto.from_config(AutoConfig.for_model("bert", **SMALL))
    model.eval()
    return model


def words(model: PreTrainedModel) -> nn.Parameter:
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, nn.Parameter)
    return weight


def shrunk(model: nn.Module) -> CompactTable:
    table = shrink_table(model, EXAMPLES, {0})
    assert table is not None
    return table


def train(model: PreTrainedModel, name: str, steps: int = 5) -> None:
    rate = REGISTRY.get("optimizer", name).default_learning_rate or 0.01
    groups = [{"params": list(model.parameters()), "lr": rate, "weight_decay": 0.0}]
    optimizer = REGISTRY.build("optimizer", name, {}).build(groups)
    for step in range(steps):
        ids = torch.tensor([[1, 7, 9, 0], [30, 12, 1, 7]][step % 2 :])
        model(input_ids=ids, attention_mask=(ids > 0).long()).last_hidden_state.square().mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


ELEMENTWISE = [name for name in REGISTRY.names("optimizer") if REGISTRY.get("optimizer", name).elementwise]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_training_gives_the_same_weights(name: str) -> None:
    whole, cut = make(), make()
    table = shrunk(cut)
    train(whole, name)
    train(cut, name)
    table.restore()
    for (key, wanted), found in zip(whole.state_dict().items(), cut.state_dict().values(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6, msg=key)


def test_an_optimizer_that_shares_moments_says_so() -> None:
    assert not Adafactor.elementwise
    assert len(ELEMENTWISE) >= 3


def test_only_the_weight_shrinks_and_names_stay() -> None:
    model = make()
    names = list(dict(model.named_parameters()))
    shrunk(model)
    assert list(dict(model.named_parameters())) == names
    assert words(model).shape == (len(OCCUR), SMALL["hidden_size"])


def test_whole_has_what_was_learnt_and_the_other_rows_as_they_were() -> None:
    model = make()
    before = copy.deepcopy(words(model))
    table = shrunk(model)
    with torch.no_grad():
        table.weight.add_(1)
    with table.whole():
        weight = words(model)
        torch.testing.assert_close(weight[OCCUR], before[OCCUR] + 1)
        others = [row for row in range(40) if row not in OCCUR]
        assert torch.equal(weight[others], before[others])
        assert model(input_ids=torch.tensor([[35]])).last_hidden_state.isfinite().all()  # any word is known here
    assert words(model) is table.weight


def test_the_same_states_as_before() -> None:
    model = make()
    ids = torch.tensor([[1, 7, 0], [30, 9, 12]])
    wanted = model(input_ids=ids).last_hidden_state
    shrunk(model)
    assert torch.equal(model(input_ids=ids).last_hidden_state, wanted)


def test_a_word_that_was_not_expected_is_refused() -> None:
    model = make()
    shrunk(model)
    with pytest.raises(IndexError):
        model(input_ids=torch.tensor([[35]]))


def test_a_table_tied_to_the_output_stays_whole() -> None:
    assert shrink_table(make(AutoModelForMaskedLM), EXAMPLES, {0}) is None


def test_a_frozen_table_and_one_of_which_most_occurs_stay_whole() -> None:
    model = make()
    everything = pa.table({"input_ids": [list(range(30))]})
    assert shrink_table(model, everything, {0}) is None
    words(model).requires_grad_(False)
    assert shrink_table(model, EXAMPLES, {0}) is None


def test_examples_without_tokens_have_no_table() -> None:
    assert shrink_table(make(), pa.table({"pixels": [b""]}), set()) is None
