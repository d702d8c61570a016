from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModel

from dianji.bases.folder import FolderBase
from dianji.bases.weights import INDEX, check_safetensors, weight_files
from dianji.errors import BaseError


def test_one_file_is_found(encoder):
    assert weight_files(encoder) == (encoder / "model.safetensors",)


@pytest.fixture
def sharded(toy_base, tmp_path):
    folder = tmp_path / "sharded"
    toy_base.load(AutoModel).save_pretrained(folder, max_shard_size="10KB")
    toy_base.processor.save_pretrained(folder)
    assert (folder / INDEX).is_file()
    return folder


def test_shards_are_found_and_load(sharded, table):
    assert len(weight_files(sharded)) > 1
    base = FolderBase(sharded).prepare(table)
    base.load(AutoModel)
    assert base.new_weights == []


def test_a_missing_shard_is_named(sharded):
    shard = weight_files(sharded)[0]
    shard.unlink()
    with pytest.raises(BaseError, match=rf"{shard.name} is damaged or incomplete: the file is missing"):
        weight_files(sharded)


@pytest.mark.parametrize("name", ["../elsewhere.safetensors", "pytorch_model.bin", "sub/model.safetensors"])
def test_an_index_that_leads_elsewhere_is_refused(sharded, name):
    (sharded / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(BaseError, match="expected safetensors files in the same folder"):
        weight_files(sharded)


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": {}}', '{"weight_map": 3}'])
def test_a_broken_index_is_refused(sharded, text):
    (sharded / INDEX).write_text(text)
    with pytest.raises(BaseError, match="damaged or incomplete"):
        weight_files(sharded)


def test_a_whole_file_passes(tmp_path):
    file = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(3, 4)}, file, metadata={"format": "pt"})
    check_safetensors(file)


@pytest.mark.parametrize("keep", [0, 4, 8, 30, -1])
def test_a_truncated_file_is_refused(tmp_path, keep):
    file = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(3, 4)}, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(BaseError, match=r"a\.safetensors is damaged or incomplete"):
        check_safetensors(file)


def test_bytes_too_many_are_refused(tmp_path):
    file = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(3, 4)}, file)
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(BaseError, match="its header promises"):
        check_safetensors(file)


@pytest.mark.parametrize("header", [b"[]", b'{"x": 3}', b'{"x": {"data_offsets": [1]}}', b"\xff\xfe"])
def test_a_header_of_another_form_is_refused(tmp_path, header):
    file = tmp_path / "a.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(BaseError, match="not the header of a safetensors file"):
        check_safetensors(file)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt"])
def test_pickled_weights_are_refused_with_the_way_out(encoder, name):
    (encoder / "model.safetensors").rename(encoder / name)
    with pytest.raises(BaseError) as caught:
        FolderBase(encoder).card()
    message = str(caught.value)
    assert f"has pickled weights only ({name})" in message
    assert "can run any code" in message
    assert "save_pretrained" in message
    assert "trust" in message


def test_the_way_out_that_is_shown_works(saved_classifier, tmp_path):
    """The snippet is valid Python, up to the choice of the Auto class."""
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(BaseError) as caught:
        weight_files(tmp_path)
    lines = [line.strip() for line in str(caught.value).splitlines() if line.startswith("    ")]
    compile("\n".join(lines), "snippet", "exec")


def test_no_weights_at_all(encoder):
    (encoder / "model.safetensors").unlink()
    with pytest.raises(BaseError, match=r"has no weights; expected model\.safetensors .* found config\.json"):
        FolderBase(encoder).card()


def test_an_adapter_alone_says_what_to_do(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(BaseError, match=r"holds an adapter only .*merge_and_unload"):
        FolderBase(folder).card()
    with pytest.raises(BaseError, match=r"holds an adapter .*merge_and_unload"):
        weight_files(Path(folder))
