"""Digests: the same value, file or folder always gets the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LENGTH = 32  # hex digits of a shortened sha256: 128 bits, beyond accidental collision


def canonical(value: Any) -> str:
    """JSON with one spelling per value: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: a number is not finite.
        TypeError: something is not a plain value.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_value(value: Any) -> str:
    """Digest of a plain value, over its canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:LENGTH]


def line_digest(line: bytes) -> str:
    """Full sha256 of a line without its newline, as the ledger chains them."""
    return hashlib.sha256(line).hexdigest()


def digest_file(path: Path) -> str:
    """Full sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(folder: Path, skip: Iterable[str] = ()) -> Mapping[str, str]:
    """Relative POSIX path -> sha256 of every file below ``folder``, sorted; ``skip`` names files at the top."""
    left_out = set(skip)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: digest_file(path) for name, path in names.items() if name not in left_out}
