"""Names of classes that a person would take for one: equal but for case, width, composition or what cannot be seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from dianji.data.findings import plural, some

#: Names that programs write where there is no value.
_NO_VALUES = frozenset({"nan", "none", "null", "n/a", "na", "<na>", "#n/a", "nil", "undefined", "nat"})


def normal_name(name: str) -> str:
    """A name without invisible characters, in compatibility form, without case, numbers as such."""
    visible = "".join(
        sign for sign in name if unicodedata.category(sign) not in ("Cf", "Cc", "Co", "Cs", "Mn") or _mark(sign)
    )
    text = " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold()).split())
    return _number(text) or text


def told_alike(counts: Mapping[str, int], noun: str = "labels") -> list[str]:
    """What to warn of: names that are equal but for what a person does not see or mean, and names for no value."""
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault(normal_name(name), []).append(name)
    told = []
    for group in groups.values():
        if len(group) > 1:
            ranked = sorted(group, key=lambda name: (-counts[name], name))
            listed = some((f"{shown(name)} ({plural(counts[name], 'row')})" for name in ranked), 5)
            told.append(
                f"{noun} that are equal but for case, width, composition, number format or invisible characters: "
                f"{listed}. If they mean the same, write them in one way"
            )
    missing = [name for name in counts if name.strip().lower() in _NO_VALUES]
    if missing:
        listed = some((f"{shown(name)} ({plural(counts[name], 'row')})" for name in sorted(missing)), 5)
        told.append(f"{noun} that often stand for a missing value: {listed}. If they do, leave them empty")
    return told


def shown(name: str) -> str:
    """A name in quotes; what cannot be seen or is composed of several characters is escaped."""
    plain = name.isprintable() and unicodedata.is_normalized("NFC", name) and not _invisible(name)
    return f"'{name}'" if plain else ascii(name)


def _invisible(signs: Iterable[str]) -> bool:
    return any(unicodedata.category(sign) in ("Cf", "Cc") or sign == "\u00a0" for sign in signs)


def _mark(sign: str) -> bool:
    """Whether a mark belongs to the letter before it; a variation selector does not."""
    return unicodedata.category(sign) == "Mn" and not "\ufe00" <= sign <= "\ufe0f" and sign != "\u034f"


def _number(text: str) -> str | None:
    """``1`` for ``1.0`` and ``01``; None for what is no number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return repr(value + 0.0) if text.isascii() and text.lower() not in _NO_VALUES and abs(value) < 1e15 else None
