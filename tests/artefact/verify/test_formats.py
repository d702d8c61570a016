"""Safe formats only."""

from __future__ import annotations

from pathlib import Path

import pytest

from dianji.artefact.verify import formats
from dianji.artefact.verify.subject import Faults
from dianji.testing.tampering import edit_json


def told(folder: Path) -> dict[str, str]:
    faults = Faults()
    formats.check(folder, faults)
    return {fault.place: fault.message for fault in faults.found}


def test_all_files_of_an_artefact_are_safe(artefact: Path) -> None:
    assert told(artefact) == {}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("weights.bin", b"anything", "a pickle can run any code"),
        ("tokenizer.model", b"\x80\x04N.", "a pickle can run any code"),
        ("notes.txt", b"PK\x03\x04torch", "a pickle can run any code"),
        ("model.py", b"import os\n", "is of no format that an artefact may have"),
        ("state.npy", b"\x93NUMPY", "is of no format that an artefact may have"),
        ("a.json", b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("a.json", b'{"a": NaN}', "NaN, which is no number in JSON"),
        ("a.json", b"{", "is not sound JSON"),
        ("a.json", b"[" * 100_000, "is not sound JSON"),
        ("a.json", b'"\xff"', "is not text in UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a"\n', "line 2 is not sound JSON"),
        ("a.txt", b"a\0b", "zero bytes"),
        ("a.safetensors", b"12345678", "not the header of a safetensors file"),
    ],
)
def test_what_is_not_safe_or_not_sound(artefact: Path, name: str, content: bytes, expected: str) -> None:
    (artefact / "evidence" / name).write_bytes(content)
    found = told(artefact)
    assert set(found) == {f"evidence/{name}"}
    assert expected in found[f"evidence/{name}"]


def test_code_from_elsewhere_is_refused(artefact: Path) -> None:
    edit_json(artefact / "config.json", lambda config: {**config, "auto_map": {"AutoModel": "evil--model.Model"}})
    assert "asks for Python code" in told(artefact)["config.json"]


def test_what_a_link_points_to_is_not_read(artefact: Path) -> None:
    (artefact / "link.json").symlink_to("/dev/zero")
    assert told(artefact) == {}
