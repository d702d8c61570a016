"""Every way of tampering with an index is found, and a sound one passes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dianji import verbs
from dianji.artefact.verify.verdict import Verification
from dianji.retrieval.manifest import IndexManifest
from dianji.store.digest import digest_file
from tests.retrieval.conftest import TEXTS, write_documents


@pytest.fixture
def altered(dense, tmp_path):
    return shutil.copytree(dense, tmp_path / "altered")


def resealed(folder):
    """As a forger would: the manifest's digests are made to fit."""
    path = folder / "dianji.json"
    document = json.loads(path.read_text())
    document["files"] = {name: digest_file(folder / name) for name in document["files"]}
    path.write_text(json.dumps(document))


def failed(found: Verification):
    assert not found.ok
    return {check.name for check in found.checks if check.state == "failed"}


def change(folder, name, key, value):
    held = dict(load_file(folder / name))
    held[key] = value(held[key].copy())
    save_file(held, folder / name)


def put(place, number):
    def value(array):
        array[place] = number
        return array

    return value


def test_a_sound_one_with_its_documents(dense, documents):
    found = verbs.verify(dense, data=str(documents))
    assert [(check.name, check.state) for check in found.checks if check.state != "passed"] == []
    assert found.checks[-1].name == "documents"


def test_other_documents(dense, tmp_path):
    other = write_documents(tmp_path / "other.csv", TEXTS[:3], ["a", "b", "c"])
    assert failed(verbs.verify(dense, data=str(other))) == {"documents"}


@pytest.mark.parametrize(
    ("alter", "check"),
    [
        (lambda folder: (folder / "terms.json").write_text("[]"), "files"),
        (lambda folder: (folder / "vectors.safetensors").unlink(), "files"),
        (lambda folder: (folder / "more.txt").write_text("x"), "files"),
        (lambda folder: (folder / "dianji.json").write_text('{"kind": "index"'), None),
        (lambda folder: (folder / "dianji.json").write_text('{"kind": "index", "format": 1}'), "manifest"),
    ],
)
def test_plain_changes(alter, check, altered):
    alter(altered)
    assert check is None or failed(verbs.verify(altered)) == {check}


@pytest.mark.parametrize(
    ("name", "key", "value", "check"),
    [
        ("vectors.safetensors", "states", put((0, 0), np.nan), "formats"),
        ("vectors.safetensors", "states", put((0, 0), 7), "contents"),
        ("passages.safetensors", "stop", put(0, 10**6), "contents"),
        ("passages.safetensors", "document", put(0, 23), "contents"),
        ("passages.safetensors", "document", lambda array: array[:-1], "contents"),
        ("bm25.safetensors", "passages", put(0, 10**6), "contents"),
        ("bm25.safetensors", "weights", lambda array: array * 2, "probe"),
        ("vectors.safetensors", "states", lambda array: array[::-1].copy(), "probe"),
    ],
)
def test_changes_behind_a_new_digest(name, key, value, check, altered):
    change(altered, name, key, value)
    resealed(altered)
    assert failed(verbs.verify(altered)) == {check}


def test_documents_that_were_edited(altered):
    path = altered / "documents.arrow"
    path.write_bytes(path.read_bytes().replace(b"please", b"PLEASE", 1))
    resealed(altered)
    assert failed(verbs.verify(altered)) == {"contents"}


def test_no_arrow_file(altered):
    (altered / "documents.arrow").write_bytes(b"\x80\x04nothing")
    resealed(altered)
    assert failed(verbs.verify(altered)) == {"formats"}


def test_a_file_that_the_manifest_does_not_name(altered):
    document = json.loads((altered / "dianji.json").read_text())
    del document["files"]["probe.json"]
    (altered / "dianji.json").write_text(json.dumps(document))
    (altered / "probe.json").unlink()
    assert failed(verbs.verify(altered)) == {"files"}


def test_the_manifest_comes_back(dense, tmp_path):
    manifest = IndexManifest.read(dense)
    manifest.check_files(dense)
    manifest.write(tmp_path)
    assert IndexManifest.read(tmp_path).documents == manifest.documents
