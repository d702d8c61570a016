from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import replace
from types import SimpleNamespace

import pytest

from dianji.bases.packaged import PackagedFile
from dianji.bases.starters import STARTERS, starter_for
from dianji.errors import BaseError, CapabilityError

DIGEST = hashlib.sha256(b"x").hexdigest()
FILE = PackagedFile("toy", "toys", "toy-weights==1.0", "toy_weights", "in/weights.bin", DIGEST)


@pytest.fixture
def package(monkeypatch, tmp_path):
    """An installed package without the file."""
    (tmp_path / "in").mkdir()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "toy_weights" else None)
    return tmp_path


def test_the_file_is_found_and_compared(package):
    (package / "in" / "weights.bin").write_bytes(b"x")
    assert FILE.is_installed()
    assert FILE.verified() == FILE.path() == package / "in" / "weights.bin"


def test_without_the_package_it_says_what_to_install(package):
    absent = replace(FILE, package="another")
    assert not absent.is_installed()
    for act in (absent.path, absent.verified):
        with pytest.raises(CapabilityError, match=r"base 'toy' needs its weights.*: pip install \"dianji\[toys\]\""):
            act()


def test_a_missing_or_damaged_file_is_told(package):
    with pytest.raises(BaseError, match=r"found no file; .* --no-deps \"toy-weights==1.0\""):
        FILE.verified()
    (package / "in" / "weights.bin").write_bytes(b"y")
    with pytest.raises(BaseError, match=rf"expected sha256 {FILE.sha256}, found [0-9a-f]{{64}}; the weights"):
        FILE.verified()


def test_a_starter_is_the_one_for_fewest_languages():
    assert [starter_for(language).card.name for language in ("en", "zh", "de")] == ["minilm", "e5", "e5"]  # type: ignore[union-attr]  # none is None
    assert starter_for("tlh") is starter_for("und") is None
    counts = [len(starter.card.languages) for starter in STARTERS]
    assert counts == sorted(counts)
    assert all(starter.card.name == starter.weights.base for starter in STARTERS)
