from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

from dianji.bases.folder import FolderBase
from dianji.errors import ArtefactError, BaseError, CapabilityError


@pytest.fixture
def base(encoder, table):
    return FolderBase(encoder).prepare(table)


def same(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_fp32_on_the_cpu_in_evaluation_mode(base):
    model = base.load(AutoModel)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    assert not model.training


def test_half_precision_on_disk_becomes_fp32(encoder, table):
    file = encoder / "model.safetensors"
    save_file({name: value.half() for name, value in load_file(file).items()}, file, metadata={"format": "pt"})
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    model = FolderBase(encoder).prepare(table).load(AutoModel)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_new_head_is_named_and_follows_the_seed(base):
    torch.manual_seed(3)
    one = base.load(AutoModelForSequenceClassification, num_labels=5)
    assert base.new_weights == ["classifier.bias", "classifier.weight"]
    torch.manual_seed(3)
    assert same(one, base.load(AutoModelForSequenceClassification, num_labels=5))
    torch.manual_seed(4)
    other = base.load(AutoModelForSequenceClassification, num_labels=5)
    assert not torch.equal(one.state_dict()["classifier.weight"], other.state_dict()["classifier.weight"])
    assert same(one.base_model, other.base_model)


def test_new_weights_are_of_the_last_load_only(base):
    base.load(AutoModelForSequenceClassification)
    with pytest.raises(ArtefactError, match="2 weights are missing"):
        base.require_complete()
    base.load(AutoModel)
    assert base.new_weights == []
    base.require_complete()


def test_all_weights_of_a_new_base_are_new(toy_base):
    model = toy_base.load(AutoModelForMaskedLM)
    assert set(toy_base.new_weights) == {name for name, _ in model.named_parameters()}


def test_the_same_seed_gives_the_same_new_base(toy_base):
    models = []
    for _ in range(2):
        torch.manual_seed(11)
        models.append(toy_base.load(AutoModelForMaskedLM))
    assert same(*models)


def test_a_head_for_the_same_labels_is_kept(saved_classifier, table):
    base = FolderBase(saved_classifier).prepare(table)
    base.load(AutoModelForSequenceClassification)
    assert base.new_weights == []


def test_a_head_for_other_labels_is_drawn_anew(saved_classifier, table):
    base = FolderBase(saved_classifier).prepare(table)
    model = base.load(AutoModelForSequenceClassification, num_labels=7)
    assert base.new_weights == ["classifier.bias", "classifier.weight"]
    assert model.state_dict()["classifier.weight"].shape == (7, 16)


def test_the_base_keeps_its_own_configuration(base):
    base.load(AutoModelForSequenceClassification, num_labels=9)
    assert base.config.num_labels != 9


def test_an_unknown_override_is_told(base):
    with pytest.raises(CapabilityError, match="has no 'hiden_size'"):
        base.load(AutoModel, hiden_size=3)


def test_a_head_that_the_architecture_lacks(base):
    with pytest.raises(CapabilityError, match="no AutoModelForImageClassification for the architecture 'bert'"):
        base.load(AutoModelForImageClassification)


def test_a_weight_of_another_shape_in_the_backbone_is_refused(base, encoder):
    file = encoder / "model.safetensors"
    weights = load_file(file)
    name = "encoder.layer.0.attention.self.query.weight"
    save_file({**weights, name: torch.zeros(8, 8)}, file, metadata={"format": "pt"})
    with pytest.raises(BaseError, match=rf"do not fit config.json: 1 have another shape, among them .*{name}"):
        base.load(AutoModel)


def test_a_layer_that_is_missing_is_refused(base, encoder):
    file = encoder / "model.safetensors"
    weights = {name: value for name, value in load_file(file).items() if ".layer.1." not in name}
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(BaseError, match=r"16 are missing, among them .*encoder\.layer\.1\."):
        base.load(AutoModelForSequenceClassification)


def test_a_pooler_may_be_missing(base, encoder):
    file = encoder / "model.safetensors"
    weights = {name: value for name, value in load_file(file).items() if "pooler" not in name}
    save_file(weights, file, metadata={"format": "pt"})
    base.load(AutoModel)
    assert base.new_weights == ["pooler.dense.bias", "pooler.dense.weight"]


def test_weights_that_are_damaged_after_the_check_are_told(base, encoder):
    file = encoder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BaseError, match="damaged or incomplete"):
        base.load(AutoModel)


def test_a_folder_is_opened_without_the_network(saved_encoder, table, no_network):
    base = FolderBase(saved_encoder)
    base.digest()
    base.prepare(table).load(AutoModelForMaskedLM)
