"""JSON that every reader understands alike."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """JSON without ambiguity: a key stands once, and numbers are finite.

    Raises:
        ValueError: not JSON, a key stands twice, NaN or infinity.
    """
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping; where a key stands twice, two readers can see two different documents.

    Raises:
        ValueError: a key stands twice.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' stands twice")
        found[key] = value
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"it has {name}, which is no number in JSON")
