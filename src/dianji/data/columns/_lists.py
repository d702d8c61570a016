"""Lists of class names as files hold them: lists, multi-hot indicators, objects of indicators, text that means a list.

Only what is unambiguous is decoded, and every decoding that is not plain is a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns.base import Cells
from dianji.data.findings import Findings

_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_LONGEST = 100_000  # characters of a cell that is parsed
#: An item of a list: in quotes, or a bare word.
_ITEM = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"\[\](){}][^,'"\[\](){}]*))\s*(?:,|$)""")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)")
_FLAGS = {
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n"), False),
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y"), True),
}
#: Numbers divided by spaces, as numpy writes an array, or by commas.
_NUMBERS = re.compile(r"\s*[-+]?\d+\.?\d*(?:[\s,;]+[-+]?\d+\.?\d*)*\s*")
_MULTI_HOT = re.compile(r"[01](?:[\s,;]+[01])+")
_WORDS = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}


def lists_of_names(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> list[list[Any] | None]:
    """A list of names or numbers per row; None where it is missing.

    Raises:
        DataError: the column holds neither lists, objects of indicators nor text or whole numbers.
    """
    type_ = values.type
    if is_list(type_):
        return _named_by_place(values.to_pylist(), cells, findings)
    if pa.types.is_struct(type_):
        return _of_objects(values, cells)
    if is_string(type_):
        return _of_texts(values.to_pylist(), cells, findings)
    if pa.types.is_null(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_):
        return [None if value is None else [value] for value in values.to_pylist()]
    raise cells.wrong("a list of labels", "Write lists of names, or names joined by |.")


def parsed(text: str) -> list[Any] | None:
    """The items of a list that is written as JSON or as Python writes it; None where the text is no list.

    Nothing is evaluated. A set and a tuple are lists too, if their items are in quotes: ``(other)`` is a name.
    """
    text = text.strip()
    if len(text) > _LONGEST or text[:1] not in _BRACKETS or not text.endswith(_BRACKETS[text[0]]):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        inside = text[1:-1]
        if text[0] == "[" and _NUMBERS.fullmatch(inside):
            return _numbers(inside)
        return _items(inside, quoted=text[0] != "[")
    return value if isinstance(value, list) and all(_is_plain(item) for item in value) else None


def indicator(value: Any) -> bool | None:
    """Whether a class is there: 0 and 1, true and false, yes and no, also as text; None for anything else."""
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower())
    return bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def _numbers(text: str) -> list[Any]:
    return [float(part) if "." in part else int(part) for part in re.split(r"[\s,;]+", text.strip())]


def _is_plain(item: object) -> bool:
    return item is None or isinstance(item, str | int | float | bool)


def _items(inside: str, *, quoted: bool) -> list[Any] | None:
    """Items between brackets; a single bare word is a name in brackets and no list."""
    items: list[Any] = []
    position, bare = 0, 0
    while inside[position:].strip():
        match = _ITEM.match(inside, position)
        if match is None:
            return None
        items.append(_item(match))
        bare += match.group(3) is not None and isinstance(items[-1], str)
        position = match.end()
    return None if bare and (quoted or len(items) == 1) else items


def _item(match: re.Match[str]) -> Any:
    single, double, bare = match.groups()
    quoted = single if single is not None else double
    if quoted is not None:
        return _ESCAPE.sub(_unescaped, quoted)
    word = bare.strip()
    if word in _WORDS:
        return _WORDS[word]
    try:
        return float(word) if "." in word else int(word)
    except ValueError:
        return word


def _unescaped(match: re.Match[str]) -> str:
    code = match.group(1)
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(code, code)


def _named_by_place(rows: Sequence[list[Any] | None], cells: Cells, findings: Findings) -> list[list[Any] | None]:
    """Multi-hot rows as lists of places; other lists as they are.

    Lists are multi-hot if all have the same length of at least two and hold nothing but 0 and 1: as lists of class
    numbers every row would carry the same classes.
    """
    known = [row for row in rows if row is not None]
    lengths = {len(row) for row in known}
    several = len(lengths) == 1 and min(lengths) >= 2
    if not several or not all(
        indicator(item) is not None and not isinstance(item, str) for row in known for item in row
    ):
        return list(rows)
    size = lengths.pop()
    findings.warn(
        f"column '{cells.name}': lists of {size} zeros and ones were read as multi-hot, and the labels are called by "
        f"their places: 0 to {size - 1}. To give them names write lists of names"
    )
    return [row if row is None else [place for place, item in enumerate(row) if item] for row in rows]


def _of_objects(values: pa.ChunkedArray, cells: Cells) -> list[list[Any] | None]:
    rows = values.to_pylist()
    flags = [item for row in rows if row is not None for item in row.values() if item is not None]
    if not all(indicator(item) is not None for item in flags):
        raise cells.wrong("a list of labels", "Objects are read where they hold 0 or 1 for each label.")
    return [row if row is None else [name for name, item in row.items() if indicator(item)] for row in rows]


def _of_texts(texts: Sequence[str | None], cells: Cells, findings: Findings) -> list[list[Any] | None]:
    filled = [text.strip() for text in texts if text is not None and text.strip()]
    if any(text[0] in _BRACKETS for text in filled):
        return _named_by_place(_of_literals(texts, cells, findings), cells, findings)
    if filled and all(_MULTI_HOT.fullmatch(text) for text in filled):
        return _named_by_place([_numbers(text) if text else None for text in texts], cells, findings)
    separator = "|" if any("|" in text for text in filled) else _separator(filled, cells, findings)
    if separator is None:
        return [None if text is None else [text] for text in texts]
    return [None if text is None else [part.strip() for part in text.split(separator)] for text in texts]


def _of_literals(texts: Sequence[str | None], cells: Cells, findings: Findings) -> list[list[Any] | None]:
    """Cells that are lists; a cell that is not becomes a fault if it begins like one, else a list of one."""
    rows: list[list[Any] | None] = []
    for row, text in enumerate(texts):
        found = None if text is None else _of_literal(text)
        if found is None and text is not None:
            findings.fault(
                f"{cells.where(row)}: column '{cells.name}' holds {text[:60]!r}, which begins like a list and is none. "
                "Write names joined by |, or a list in JSON."
            )
            found = []
        rows.append(found)
    return rows


def means_list(text: str) -> bool:
    """Whether a cell is written as a list, as an object of indicators, or as zeros and ones."""
    bracketed = text.strip()[:1] in _BRACKETS and _of_literal(text) is not None
    return bracketed or _MULTI_HOT.fullmatch(text.strip()) is not None


def _of_literal(text: str) -> list[Any] | None:
    """The items of a cell; None where it begins like a list and is none."""
    if text.strip()[:1] not in _BRACKETS:
        return [text] if text.strip() else []
    return parsed(text) if text.strip()[0] != "{" else parsed(text) or _indicated(text)


def _indicated(text: str) -> list[Any] | None:
    """The names that an object of indicators in JSON has, such as ``{"toxic": 1, "insult": 0}``."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    flags = {name: indicator(flag) for name, flag in value.items()} if isinstance(value, dict) else {"": None}
    return None if None in flags.values() else [name for name, flag in flags.items() if flag]


def separator_of(cells: Iterable[str]) -> tuple[str | None, str]:
    """A comma or semicolon that divides names, else None; and a cell that holds such a sign.

    It divides if some part also stands alone; or, where no space follows it, beside another part. A name with a comma
    in it never does.
    """
    whole = set(cells)
    held = ""
    for separator in (";", ","):
        parts = {cell: tuple(part.strip() for part in cell.split(separator)) for cell in whole if separator in cell}
        if not parts:
            continue
        held = min(parts)
        alone = whole - set(parts)
        partners: dict[str, set[tuple[str, ...]]] = {}
        for names in parts.values():
            for part in names:
                partners.setdefault(part, set()).add(tuple(sorted(set(names) - {part})))
        # A space after the sign, or a number before and after it, may belong to a name.
        tight = not any(f"{separator} " in cell or re.fullmatch(r"-?\d+,\d+", cell) for cell in parts)
        if any(part in alone or (tight and len(others) > 1) for part, others in partners.items()):
            return separator, held
    return None, held


def _separator(filled: Sequence[str], cells: Cells, findings: Findings) -> str | None:
    separator, held = separator_of(filled)
    if separator is not None:
        findings.warn(
            f"column '{cells.name}': cells such as '{held[:60]}' were read as labels divided by '{separator}'"
        )
    elif held:
        findings.warn(
            f"column '{cells.name}': cells such as '{held[:60]}' were read as one label. If they hold several, "
            "divide them by |"
        )
    return separator
