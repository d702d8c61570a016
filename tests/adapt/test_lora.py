import json
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertForMaskedLM

from dianji.adapt.lora import Lora
from dianji.bases.scratch import ScratchBase
from dianji.bases.text.cnn import Cnn as TextCnn
from dianji.errors import CapabilityError
from dianji.tasks.base import TaskModel
from dianji.tasks.text_classification import TextClassification
from dianji.testing.adaptation import evaluate, step
from dianji.testing.toys import LABELS, MODELS, ToyModel, bert, pooled_bert, text_base, text_table
from tests.adapt.test_layers import Bare

# peft asks transformers for an attribute by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def adapted(name, **arguments):
    toy = MODELS[name]()
    Lora(**arguments).attach(toy.model)
    return toy


def masked() -> Any:
    """A seeded model whose output layer is its input embedding."""
    torch.manual_seed(0)
    config: Any = text_base().config
    return BertForMaskedLM(config)


def layers(toy):
    """Last names of the layers that got parts."""
    paths = {n.split(".lora_")[0] for n, _ in toy.model.model.named_parameters() if ".lora_" in n}
    return {path.rpartition(".")[2] for path in paths}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pooled-bert", {"query", "value"}),
        ("bert", {"query", "value"}),
        ("gpt2", {"c_attn"}),
        ("vit", {"q_proj", "v_proj"}),
        ("resnet", {"convolution"}),
    ],
)
def test_default_targets(name, expected):
    assert layers(adapted(name)) == expected


def test_an_unknown_architecture_gets_all_linear_layers_of_its_stack():
    toy = bert()
    config: Any = toy.model.model.config
    config.model_type = "unheard-of"
    Lora().attach(toy.model)
    assert layers(toy) == {"query", "key", "value", "dense"}
    assert not any("lora" in n for n, _ in toy.model.model.named_parameters() if "pooler" in n or "classifier" in n)


def test_convolutions_outside_the_stages_are_left_alone():
    names = [n for n, _ in adapted("resnet").model.model.named_parameters() if "lora" in n]
    assert all(".stages." in name for name in names)


def test_named_targets_never_reach_the_head():
    model = masked()
    Lora(targets=("dense",)).attach(TaskModel(model, ("cls",)))
    names = {n for n, _ in model.named_parameters() if "lora" in n}
    assert names
    assert not any(name.startswith("cls") for name in names)


def test_a_target_may_be_the_end_of_a_path():
    toy = adapted("bert", targets=("layer.1.attention.self.key",))
    assert {n.split(".")[3] for n, _ in toy.model.model.named_parameters() if "lora" in n} == {"1"}
    assert layers(toy) == {"key"}


def test_a_misspelt_target_is_named():
    with pytest.raises(CapabilityError, match=r"'qurey' is no linear.* Did you mean 'query'\?"):
        Lora(targets=("value", "qurey")).attach(bert().model)


def test_a_model_without_layers_says_what_was_looked_for():
    with pytest.raises(CapabilityError, match="no stack of layers"):
        Lora().attach(TaskModel(Bare(), ("head",)))


def test_a_merged_weight_that_is_no_number_is_refused():
    toy = adapted("bert")
    for name, parameter in toy.model.model.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(torch.inf)
    with pytest.raises(CapabilityError, match=r"'bert\.encoder.*cannot be merged.*lower learning rate"):
        Lora().merge(toy.model.model)


def test_merges_weights_kept_in_less_than_fp32():
    toy = adapted("bert")
    step(toy)
    said = evaluate(toy)
    toy.model.model.bfloat16()
    Lora().merge(toy.model.model)
    assert {parameter.dtype for parameter in toy.model.model.parameters()} == {torch.bfloat16}
    torch.testing.assert_close(evaluate(toy).float(), said, atol=0.05, rtol=0)


def saved(toy, folder):
    for _ in range(3):
        step(toy)
    Lora().save(toy.model.model, folder)
    return evaluate(toy)


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit", "resnet"])
def test_peft_opens_what_was_saved_with_its_head(name, tmp_path):
    said = saved(adapted(name), tmp_path)
    plain = MODELS[name]()
    model: Any = plain.model.model
    with torch.no_grad():
        for parameter in (model.score if name == "gpt2" else model.classifier).parameters():
            parameter.zero_()  # the head must come from the folder
    opened = peft.PeftModel.from_pretrained(plain.model.model, tmp_path)
    found = ToyModel(TaskModel(opened, ()), plain.inputs, plain.target)
    torch.testing.assert_close(evaluate(found), said, atol=1e-6, rtol=0)


def test_the_adapter_of_a_wrapper_is_that_of_its_backbone(tmp_path):
    toy = adapted("pooled-bert")
    saved(toy, tmp_path)
    keys = set(load_file(tmp_path / "adapter_model.safetensors"))
    assert all(key.startswith("base_model.model.encoder.layer.") for key in keys)

    opened = peft.PeftModel.from_pretrained(pooled_bert().model.model.backbone, tmp_path).eval()
    ours = toy.model.model.backbone
    with torch.no_grad():
        torch.testing.assert_close(opened(**toy.inputs)[0], ours(**toy.inputs)[0], atol=1e-6, rtol=0)


def test_a_tied_head_is_saved_and_opened(tmp_path):
    model, inputs = masked(), bert().inputs
    Lora().attach(TaskModel(model, ("cls",)))
    with torch.no_grad():
        model.cls.predictions.bias.fill_(0.5)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    Lora().save(model, tmp_path)
    opened = peft.PeftModel.from_pretrained(masked(), tmp_path).eval()
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(opened(**inputs).logits, model(**inputs).logits, atol=1e-6, rtol=0)


def test_the_saved_bytes_follow_from_the_weights(tmp_path):
    toy = adapted("vit", targets=("q_proj", "k_proj", "v_proj", "fc1"))
    for run in ("1", "2"):
        Lora().save(toy.model.model, tmp_path / run)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    targets = json.loads((tmp_path / "1" / "adapter_config.json").read_text())["target_modules"]
    assert targets == sorted(targets), "peft keeps a set, which has another order in every process"


def test_the_saved_configuration_says_what_peft_needs(tmp_path):
    toy = adapted("bert", rank=4, alpha=8.0)
    toy.model.model.config._name_or_path = str(tmp_path)
    saved(toy, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (4, 8.0, "LORA")
    assert config["modules_to_save"] == ["classifier"]
    assert config["base_model_name_or_path"] is None, "a path on this machine"
    assert len(LABELS) == toy.model.model.config.num_labels


def test_dilated_convolutions_are_adapted_and_merged():
    """Each layer of a text CNN reaches twice as far as the one before."""
    base = ScratchBase(TextCnn(width=16, length=32, layers=3), seed=0).prepare(text_table())
    torch.manual_seed(0)
    task = TextClassification().fit(text_table())
    made = task.model(base)
    Lora(rank=2).attach(made)
    model: Any = made.model
    batch = task.collate(task.encode(text_table(), base), base, np.random.default_rng(0), purpose="train")
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(3):
        task.loss(model, batch).value.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    before = task.outputs(model, batch)["logits"]
    Lora(rank=2).merge(model)
    np.testing.assert_allclose(task.outputs(model, batch)["logits"], before, atol=1e-5)
