from __future__ import annotations

import shutil
import subprocess
import sys

import huggingface_hub.constants
import pytest

from dianji.bases import hub
from dianji.bases.folder import FolderBase
from dianji.bases.hub import HubBase
from dianji.errors import BaseError

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(saved_encoder, tmp_path, monkeypatch):
    """A cache that holds ``toys/encoder``, and no way out."""
    home = tmp_path / "home"
    repository = home / "hub" / "models--toys--encoder"
    shutil.copytree(saved_encoder, repository / "snapshots" / REVISION)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub._download.cache_clear()
    yield home
    hub._download.cache_clear()


def test_a_model_in_the_cache_is_a_folder_like_any_other(cache, saved_encoder, table, no_network):
    source = HubBase("toys/encoder")
    assert (source.card().name, source.card().source) == ("toys/encoder", "toys/encoder")
    assert source.digest() == FolderBase(saved_encoder).digest()
    base = source.prepare(table)
    assert base.card == source.card()
    assert base.processor("my card").input_ids


def test_offline_and_not_in_the_cache(cache, no_network):
    with pytest.raises(BaseError) as caught:
        HubBase("toys/other").card()
    message = str(caught.value)
    for part in ("base 'toys/other'", "no folder of this name", "offline", "hf download toys/other"):
        assert part in message


def test_neither_pickles_nor_code_are_fetched(monkeypatch, saved_encoder):
    asked = {}

    def snapshot_download(name, **arguments):
        asked.update(arguments)
        return str(saved_encoder)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    hub._download.cache_clear()
    HubBase("toys/encoder").card()
    hub._download.cache_clear()
    from huggingface_hub.utils._paths import filter_repo_objects

    files = ["model.safetensors", "config.json", "vocab.txt", "spiece.model", "1_Pooling/config.json", "README.md"]
    unwanted = ["pytorch_model.bin", "model.pt", "modeling_evil.py", "tf_model.h5", "onnx/model.onnx", "x.pkl"]
    assert list(filter_repo_objects(files + unwanted, **asked)) == files


def test_a_model_with_pickles_only_says_how_to_go_on(cache):
    (cache / "hub" / "models--toys--encoder" / "snapshots" / REVISION / "model.safetensors").unlink()
    with pytest.raises(BaseError, match=r"'toys/encoder' has no safetensors weights .* never fetched\. Convert"):
        HubBase("toys/encoder").card()


def test_the_environment_alone_keeps_it_offline(cache):
    """In a process of its own: with HF_HUB_OFFLINE=1 no socket is opened, found or not."""
    code = """
import socket
def refuse(*arguments, **named): raise SystemExit("connected")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from dianji.bases.resolve import resolve
from dianji.errors import BaseError
print(resolve("toys/encoder", "text").card().name)
try:
    resolve("toys/other", "text").card()
except BaseError:
    print("told")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["toys/encoder", "told"], done.stderr
