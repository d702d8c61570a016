"""A recipe's text as plain values, and the line on which each key stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dianji.errors import RecipeError

Path = tuple[str | int, ...]

#: More than any recipe has; a few aliases of aliases reach it at once ("billion laughs").
MOST_VALUES = 100_000

#: Where a list stands for a section that holds it under this key (``compare: […]``), the key is in paths all the same.
LISTED = "variants"

_TAG = "tag:yaml.org,2002:"
#: YAML 1.2's core schema: what text without quotes means, tried in this order.
_PLAIN = {
    "bool": r"true|True|TRUE|false|False|FALSE",
    "null": r"~|null|Null|NULL|",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}


class _Loader(yaml.SafeLoader):
    """YAML 1.2's few plain values: ``no``, ``on`` and ``12:30`` are text, ``2e-4`` is a number, dates are text."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  # replaces YAML 1.1's


for _name, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^({_pattern})$"), None)
_Loader.add_implicit_resolver(_TAG + "merge", re.compile("^<<$"), ["<"])


@dataclass
class Origin:
    """The source of values: its name, and the document's nodes where there is one.

    Takes no part in comparing recipes, so all origins are equal.
    """

    source: str = field(default="recipe", compare=False)
    root: Node | None = field(default=None, compare=False, repr=False)

    def where(self, *path: str | int) -> str:
        """``bank.yaml, line 14: stages.intent.task``; the line of the nearest key above where it was not written."""
        line = self.line(*path)
        place = self.source if line is None else f"{self.source}, line {line}"
        return f"{place}: {'.'.join(str(part) for part in path)}" if path else place

    def line(self, *path: str | int) -> int | None:
        """Counted from 1; None where there is no text."""
        node, mark = self.root, None
        for part in path:
            if part == LISTED and isinstance(node, SequenceNode):
                continue
            found = _step(node, part)
            if found is None:
                break
            key, node = found
            mark = key.start_mark
        return None if mark is None else mark.line + 1


def read(text: str, source: str) -> tuple[Any, Origin, list[str]]:
    """Plain values, their origin, and the faults that leave the rest readable (repeated keys and the like).

    Raises:
        RecipeError: not YAML, or more values than a recipe can hold.
    """
    try:
        root = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise RecipeError(_syntax(error, source)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = f"U+{ord(text[error.position]):04X}"
        raise RecipeError(
            f"{source}, line {line}: the character {character} is not allowed in YAML. Remove it."
        ) from None
    except RecursionError:
        raise RecipeError(f"{source}: values are nested too deeply for a recipe") from None
    if root is None:
        return None, Origin(source), []
    reader = _Reader(source)
    value = reader.value(root)
    return value, Origin(source, root), reader.faults


class _Reader:
    """Nodes to values; keeps the faults instead of stopping at the first."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.faults: list[str] = []
        self._values = 0
        self._within: list[Node] = []

    def value(self, node: Node) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            raise RecipeError(f"{self.source}: more than {MOST_VALUES:,} values; do aliases multiply?")
        if any(node is outer for outer in self._within):
            self._fault(node, "an alias refers to the value that it stands in")
            return None
        self._within.append(node)
        try:
            return self._scalar(node) if isinstance(node, ScalarNode) else self._collection(node)
        finally:
            self._within.pop()

    def _collection(self, node: Node) -> Any:
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item) for item in node.value]
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node)
        return self._tagged(node)

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        result: dict[str, Any] = {}
        written: dict[str, Node] = {}
        for key, item in node.value:
            if not isinstance(key, ScalarNode):
                self._fault(key, "a key is plain text, not a list or a mapping")
            elif key.tag == _TAG + "merge":
                result = {**self._merged(item), **result}
            elif key.value in written:
                first = written[key.value].start_mark.line + 1
                self._fault(key, f"the key '{key.value}' is already given on line {first}. Remove one of the two.")
            else:
                written[key.value] = key
                result[key.value] = self.value(item)
        return result

    def _merged(self, node: Node) -> dict[str, Any]:
        """The keys of ``<<: *other`` or ``<<: [*one, *two]``; the first one wins."""
        merged: dict[str, Any] = {}
        for item in node.value if isinstance(node, SequenceNode) else [node]:
            value = self.value(item)
            if not isinstance(value, dict):
                self._fault(item, "'<<' merges mappings only")
            else:
                merged = {**value, **merged}
        return merged

    def _scalar(self, node: ScalarNode) -> Any:
        text, kind = node.value, node.tag.removeprefix(_TAG)
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                # int(text, 0) would refuse leading zeros, which YAML 1.2 reads as decimal.
                return int(text, 0) if text[:2].lower() in {"0x", "0o"} else int(text)
            case "float" if text.lower().lstrip("+-") in {".inf", ".nan"}:
                return float(text.replace(".", ""))  # refused by the reader of recipes, which knows its key
            case "float":
                return float(text)
            case _:
                return self._tagged(node)
        return None

    def _tagged(self, node: Node) -> None:
        self._fault(node, f"the tag '{node.tag.replace(_TAG, '!!')}' is not used in recipes. Write the plain value.")

    def _fault(self, node: Node, message: str) -> None:
        self.faults.append(f"{self.source}, line {node.start_mark.line + 1}: {message}")


def _syntax(error: yaml.MarkedYAMLError, source: str) -> str:
    mark = error.problem_mark or error.context_mark
    place = source if mark is None else f"{source}, line {mark.line + 1}"
    problem = error.problem or "not YAML"
    if r"'\t'" in problem:
        return f"{place}: a tab stands where YAML takes spaces only. Replace it by spaces."
    if "alias" in problem or "anchor" in problem:
        return f"{place}: {problem}"
    if "expected a single document" in (error.context or ""):
        return f"{place}: a second document begins ('---'). A recipe is one document."
    context = f"{error.context}: " if error.context else ""
    return f"{place}: not valid YAML: {context}{problem}. Look at indentation, colons and quotes here and above."


def _step(node: Node | None, part: str | int) -> tuple[Node, Node] | None:
    """The node that names ``part`` and the node that is its value."""
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, MappingNode):
        return next(((key, item) for key, item in _entries(node) if key.value == str(part)), None)
    return None


def _entries(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    """Own keys, then merged ones."""
    merged: list[Node] = []
    for key, item in node.value:
        if key.tag == _TAG + "merge":
            merged += item.value if isinstance(item, SequenceNode) else [item]
        elif isinstance(key, ScalarNode):
            yield key, item
    for other in merged:
        if isinstance(other, MappingNode):
            yield from _entries(other)
