from __future__ import annotations

import shutil

import pytest
import torch
from transformers import AutoModel

from dianji.bases.digests import file_digest
from dianji.bases.folder import FolderBase, open_folder
from dianji.errors import BaseError
from dianji.testing import toys


def test_the_same_hidden_states_as_before_saving(saved_encoder, toy_base, table, no_network):
    base = FolderBase(saved_encoder).prepare(table)
    batch = base.processor(["I lost my card"], return_tensors="pt")
    assert batch.input_ids.tolist() == toy_base.processor(["I lost my card"], return_tensors="pt").input_ids.tolist()
    model = base.load(AutoModel)
    torch.testing.assert_close(model(**batch).last_hidden_state, AutoModel.from_pretrained(saved_encoder)(**batch)[0])


def test_the_digest_is_of_the_bytes_not_of_the_place(encoder, tmp_path):
    copy = shutil.copytree(encoder, tmp_path / "elsewhere")
    assert FolderBase(copy).digest() == FolderBase(encoder).digest()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_the_digest_follows_what_matters(encoder, name):
    before = FolderBase(encoder).digest()
    file = encoder / name
    file.parent.mkdir(exist_ok=True)
    data = bytearray(file.read_bytes() if file.is_file() else b"{ }")
    data[-1] ^= 1
    file.write_bytes(data)
    assert FolderBase(encoder).digest() != before


@pytest.mark.parametrize("name", ["README.md", "notes.log", "probe.safetensors"])
def test_the_digest_ignores_the_rest(encoder, name):
    before = FolderBase(encoder).digest()
    (encoder / name).write_text("other")
    assert FolderBase(encoder).digest() == before


def test_a_file_is_read_again_when_it_changes(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"one")
    first = file_digest(file)
    assert file_digest(file) == first
    file.write_bytes(b"two and more")
    assert file_digest(file) != first


def test_a_damaged_tokenizer_is_told(encoder, table):
    (encoder / "tokenizer.json").write_text("{}")
    with pytest.raises(BaseError, match=r"its tokenizer cannot be opened .*Expected tokenizer\.json"):
        FolderBase(encoder).prepare(table)


def test_a_missing_tokenizer_is_told(encoder, table):
    for file in encoder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(BaseError, match=r"has no tokenizer; expected tokenizer\.json"):
        FolderBase(encoder).card()


def test_nothing_is_said_on_the_terminal(saved_classifier, table, capfd):
    FolderBase(saved_classifier).prepare(table).load(AutoModel)  # leaves the classifier's weights over
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("made", [toys.text_base, toys.image_base])
def test_a_new_base_that_a_run_keeps_without_weights_opens_again(made, tmp_path):
    base = made()
    base.config.save_pretrained(tmp_path)
    base.save_processor(tmp_path)
    opened = open_folder(tmp_path, base.card)
    assert opened.config.model_type == base.config.model_type
    assert opened.config.hidden_size == base.config.hidden_size
