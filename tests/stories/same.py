"""Two folders of the same run: all but times and what they follow from must be equal to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Keys of documents whose values say how long something took, when it was, or how much memory it needed.
TIMES = frozenset({"seconds", "train_seconds", "samples_per_second", "peak_memory_mb", "time", "milliseconds"})
#: Files that hold such keys; their digests in ``dianji.json`` differ with them.
TIMED = frozenset({"README.md", "evidence/cost.json", "evidence/events.jsonl"})


def differences(one: Path, other: Path) -> Iterator[str]:
    """Each file that is not the same in both folders."""
    names = [{str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} for folder in (one, other)]
    yield from (f"{name}: in one folder only" for name in sorted(names[0] ^ names[1]))
    for name in sorted(names[0] & names[1]):
        contents = [(folder / name).read_bytes() for folder in (one, other)]
        if contents[0] != contents[1] and _timeless(name, contents[0]) != _timeless(name, contents[1]):
            yield f"{name}: differs: {_where(*(_timeless(name, content) for content in contents))}"


def _timeless(name: str, content: bytes) -> Any:
    """Without times. Bytes of files that hold none are as they are."""
    if name == "dianji.json":
        manifest = _without(json.loads(content))
        return {**manifest, "files": {file: digest for file, digest in manifest["files"].items() if file not in TIMED}}
    if name not in TIMED:
        return content
    if name.endswith(".jsonl"):
        return [_without(json.loads(line)) for line in content.splitlines()]
    if name.endswith(".json"):
        return _without(json.loads(content))
    return re.sub(r"examples in \d+ s", "", content.decode())


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in TIMES}
    return [_without(item) for item in value] if isinstance(value, list) else value


def _where(one: Any, other: Any) -> str:
    if isinstance(one, bytes):
        place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        return f"at byte {place}: {one[place - 20 : place + 40]!r} and {other[place - 20 : place + 40]!r}"
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        return "; ".join(f"{key}: {str(one.get(key))[:300]} and {str(other.get(key))[:300]}" for key in keys)
    return f"{str(one)[:1000]} and {str(other)[:1000]}"
