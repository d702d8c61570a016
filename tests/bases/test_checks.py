from __future__ import annotations

import json

import pytest

from dianji.bases.base import Card
from dianji.bases.checks import read_config, require_modality
from dianji.bases.folder import FolderBase
from dianji.errors import BaseError, RecipeError


def change(folder, name="config.json", **entries):
    file = folder / name
    values = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**values, **entries}))


def card(modality):
    return Card("some", modality, "bert", 16, pretrained=True)


def test_a_fitting_modality_passes():
    require_modality(card("text"), "text", "masked-language")


def test_a_text_task_on_an_image_base():
    with pytest.raises(
        RecipeError, match=r"'masked-language' works on text, but base 'some' \(bert\) was made for images"
    ):
        require_modality(card("image"), "text", "masked-language")


def test_an_image_task_on_a_text_base():
    with pytest.raises(RecipeError, match="works on images, but base 'some'"):
        require_modality(card("text"), "image", "image-classification")


def test_a_missing_folder_suggests_its_neighbour(encoder):
    with pytest.raises(BaseError, match=r"found nothing\. Did you mean '.*toy-encoder'\?"):
        FolderBase(encoder.parent / "toy-encoderr").card()


def test_a_file_is_no_folder(encoder):
    with pytest.raises(BaseError, match=r"expected a folder with config\.json, found a file"):
        FolderBase(encoder / "config.json").card()


def test_no_config(encoder):
    (encoder / "config.json").unlink()
    with pytest.raises(BaseError, match=r"has no config\.json; expected a Hugging Face model folder, found model"):
        FolderBase(encoder).card()


def test_broken_json_names_the_line(encoder):
    (encoder / "config.json").write_text('{\n "model_type": "bert",\n oops\n}')
    with pytest.raises(BaseError, match=r"config\.json, line 3: not valid JSON"):
        FolderBase(encoder).card()


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"[1, 2]", b""])
def test_a_config_that_is_no_mapping(encoder, data):
    (encoder / "config.json").write_bytes(data)
    with pytest.raises(BaseError, match=r"config\.json"):
        FolderBase(encoder).card()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_remote_code_is_refused(encoder, name):
    change(encoder, name, auto_map={"AutoModel": "modeling.Evil"})
    (encoder / "modeling.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(BaseError, match=rf"{name}: 'auto_map' asks for Python code .* never does"):
        FolderBase(encoder).card()


@pytest.mark.parametrize("entry", ["attn_implementation", "_attn_implementation"])
def test_attention_from_the_hub_is_remote_code_too(encoder, entry):
    change(encoder, **{entry: "someone/kernel"})
    with pytest.raises(BaseError, match="'attn_implementation' asks for Python code"):
        FolderBase(encoder).card()


def test_weights_under_another_name_are_refused(encoder):
    change(encoder, transformers_weights="adapter_model.bin")
    with pytest.raises(BaseError, match="'transformers_weights' points to weights under another name"):
        FolderBase(encoder).card()


def test_quantised_weights_are_refused(encoder):
    change(encoder, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(BaseError, match="the weights are quantised"):
        FolderBase(encoder).card()


def test_an_adapter_beside_the_model_is_refused(encoder):
    change(encoder, "adapter_config.json", peft_type="LORA")
    with pytest.raises(BaseError, match="holds a model and an adapter beside it"):
        FolderBase(encoder).card()


def test_an_unknown_architecture_lists_close_ones(encoder):
    change(encoder, model_type="robrta")
    with pytest.raises(BaseError, match=r"no architecture 'robrta'\. Close ones: .*roberta"):
        FolderBase(encoder).card()


def test_no_architecture(encoder):
    config = json.loads((encoder / "config.json").read_text())
    del config["model_type"]
    (encoder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BaseError, match="'model_type' is missing"):
        read_config(encoder)


def test_our_own_architectures_are_known(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "dianji-lstm"}')
    assert read_config(tmp_path) == {"model_type": "dianji-lstm"}
