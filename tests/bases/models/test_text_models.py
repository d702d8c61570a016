from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

from dianji.bases.models import (
    CnnConfig,
    CnnForCausalLM,
    CnnForMaskedLM,
    CnnModel,
    LstmConfig,
    LstmForCausalLM,
    LstmForMaskedLM,
    LstmModel,
)

SIZE = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2}
CONFIGS = [LstmConfig, CnnConfig]
MODELS = {
    (LstmConfig, AutoModel): LstmModel,
    (LstmConfig, AutoModelForMaskedLM): LstmForMaskedLM,
    (LstmConfig, AutoModelForCausalLM): LstmForCausalLM,
    (CnnConfig, AutoModel): CnnModel,
    (CnnConfig, AutoModelForMaskedLM): CnnForMaskedLM,
    (CnnConfig, AutoModelForCausalLM): CnnForCausalLM,
}


def make(config, auto=AutoModel, **overrides):
    torch.manual_seed(0)
    return auto.from_config(config(**SIZE, **overrides)).eval()


@pytest.mark.parametrize(("config", "auto"), MODELS)
def test_the_auto_classes_know_them(config, auto):
    assert type(make(config, auto)) is MODELS[config, auto]


@pytest.mark.parametrize("decoder", [False, True])
@pytest.mark.parametrize("config", CONFIGS)
@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4), left=st.booleans(), extra=st.integers(0, 3))
@settings(max_examples=12, deadline=None)
@torch.no_grad()
def test_padding_changes_nothing(config, decoder, lengths, left, extra):
    model = make(config, is_decoder=decoder)
    time = max(lengths) + extra
    rows = [torch.randint(5, 20, (length,)) for length in lengths]
    ids = torch.randint(5, 20, (len(rows), time))  # the content of padding must not matter either
    mask = torch.zeros(len(rows), time, dtype=torch.long)
    spans = [slice(time - len(row), time) if left else slice(0, len(row)) for row in rows]
    for number, (row, span) in enumerate(zip(rows, spans, strict=True)):
        ids[number, span], mask[number, span] = row, 1
    padded = model(ids, mask).last_hidden_state
    assert padded.shape == (len(rows), time, 16)
    assert not padded[mask == 0].any()
    for number, (row, span) in enumerate(zip(rows, spans, strict=True)):
        alone = model(row.unsqueeze(0)).last_hidden_state[0]
        torch.testing.assert_close(padded[number, span], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", CONFIGS)
@torch.no_grad()
def test_a_causal_model_does_not_see_what_comes(config):
    model = make(config, AutoModelForCausalLM)
    ids = torch.randint(5, 20, (2, 9))
    changed = ids.clone()
    changed[:, 5:] = 4
    before, after = model(ids).logits, model(changed).logits
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("config", CONFIGS)
@torch.no_grad()
def test_a_masked_model_sees_both_sides(config):
    model = make(config, AutoModelForMaskedLM)
    ids = torch.randint(5, 20, (1, 9))
    for position in (0, 8):
        changed = ids.clone()
        changed[:, position] = 4
        assert not torch.allclose(model(ids).logits[:, 4], model(changed).logits[:, 4])


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("auto", [AutoModelForMaskedLM, AutoModelForCausalLM])
@pytest.mark.parametrize("config", CONFIGS)
@torch.no_grad()
def test_saved_and_opened_is_the_same(config, auto, tied, tmp_path):
    model = make(config, auto, tie_word_embeddings=tied)
    model.save_pretrained(tmp_path)
    assert ("head.decoder.weight" in load_file(tmp_path / "model.safetensors")) is not tied
    opened, report = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert (opened.head.decoder.weight is opened.model.embed_tokens.weight) is tied
    ids = torch.randint(5, 20, (2, 6))
    assert torch.equal(opened(ids).logits, model(ids).logits)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_language_models_backbone_opens_alone(config, tmp_path):
    model = make(config, AutoModelForMaskedLM)
    model.save_pretrained(tmp_path)
    backbone, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    ids = torch.randint(5, 20, (2, 6))
    assert torch.equal(backbone(ids).last_hidden_state, model.model(ids).last_hidden_state)


@pytest.mark.parametrize("auto", [AutoModelForMaskedLM, AutoModelForCausalLM])
@pytest.mark.parametrize("config", CONFIGS)
def test_the_loss_is_the_slow_one(config, auto):
    model = make(config, auto)
    ids = torch.randint(5, 20, (2, 6))
    labels = ids.clone()
    labels[0, :3] = -100
    output = model(ids, labels=labels)
    shift = int(auto is AutoModelForCausalLM)
    terms = [
        -output.logits[row, place].log_softmax(-1)[labels[row, place + shift]]
        for row in range(2)
        for place in range(6 - shift)
        if labels[row, place + shift] != -100
    ]
    torch.testing.assert_close(output.loss, torch.stack(terms).mean())


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForMaskedLM, AutoModelForCausalLM])
@pytest.mark.parametrize("config", CONFIGS)
def test_every_weight_learns(config, auto):
    model = make(config, auto).train()
    ids = torch.randint(5, 20, (3, 8))
    output = model(ids)[0] if auto is AutoModel else model(ids, labels=ids).loss
    (output * torch.randn_like(output)).sum().backward()
    assert [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()] == []


@pytest.mark.parametrize("config", CONFIGS)
def test_first_weights_follow_the_seed_and_keep_the_scale(config):
    one, other = make(config), make(config)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    hidden = one(torch.randint(5, 20, (4, 8))).last_hidden_state
    assert 0.8 < hidden.std() < 1.2


def test_an_lstm_forgets_nothing_at_first():
    lstm = make(LstmConfig).layers[0].forward_lstm
    assert torch.equal(lstm.bias_ih_l0[lstm.hidden_size : 2 * lstm.hidden_size], torch.ones(lstm.hidden_size))
    recurrence = lstm.weight_hh_l0
    torch.testing.assert_close(recurrence.T @ recurrence, torch.eye(lstm.hidden_size), atol=1e-5, rtol=1e-5)


def test_embeddings_may_be_given_instead_of_tokens():
    model = make(CnnConfig)
    ids = torch.randint(5, 20, (1, 5))
    given_embeddings = model(inputs_embeds=model.embed_tokens(ids)).last_hidden_state
    assert torch.equal(model(ids).last_hidden_state, given_embeddings)


def test_a_fresh_process_opens_them_after_one_import(tmp_path):
    make(LstmConfig, AutoModelForMaskedLM).save_pretrained(tmp_path)
    code = (
        "import sys, dianji.bases.models; from transformers import AutoModelForMaskedLM as Auto;"
        "print(type(Auto.from_pretrained(sys.argv[1])).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "LstmForMaskedLM"


@pytest.mark.parametrize("config", CONFIGS)
def test_a_configuration_comes_back(config, tmp_path):
    config(**SIZE, is_decoder=True).save_pretrained(tmp_path)
    opened = AutoConfig.from_pretrained(tmp_path)
    assert type(opened) is config
    assert (opened.hidden_size, opened.is_decoder) == (16, True)


@pytest.mark.parametrize("config", CONFIGS)
def test_states_come_as_a_tuple_on_request(config):
    model = make(config)
    tokens = torch.tensor([[1, 2, 3]])
    (states,) = model(input_ids=tokens, return_dict=False)
    assert torch.equal(states, model(input_ids=tokens).last_hidden_state)
