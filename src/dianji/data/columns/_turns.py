"""Turns of a conversation: OpenAI's and ShareGPT's layouts as one record, and the order in which turns may come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dianji.data.columns._records import Unfit
from dianji.errors import did_you_mean

#: ``tool_calls`` is JSON, ``[{"name", "arguments", "id"}]``, because arguments differ from call to call. Unused texts
#: are empty. ``weight`` 0: the answer is context, and nothing is learnt from it.
TURN = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("tool_calls", pa.string()),
        ("tool_call_id", pa.string()),
        ("name", pa.string()),
        ("weight", pa.int8()),
    ]
)
#: Besides the roles of OpenAI: ``tools``, the definitions of the functions that may be called, a JSON list.
ROLES = ("tools", "system", "user", "assistant", "tool")
#: The field names of the usual layouts: (role, content).
LAYOUTS = (("role", "content"), ("from", "value"))

_ALIASES = {
    "developer": "system",
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "function": "tool",
}
#: ShareGPT's roles of turns whose text is a tool call.
_CALLING = frozenset({"function_call", "tool_call"})
_READ = frozenset({"role", "content", "from", "value", "tool_calls", "function_call", "tool_call_id", "name", "weight"})
#: Role -> the roles before it. None: it may stand first. ``calls``: an assistant's turn that calls tools.
_AFTER: Mapping[str, tuple[str | None, ...]] = {
    "tools": (None,),
    "system": (None, "tools"),
    "user": (None, "tools", "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("calls", "tool"),
}


def turn_of(item: Any) -> dict[str, Any]:
    """One turn of either layout as a record.

    Raises:
        Unfit: it is no turn, its role is unknown, or nothing is said in it.
    """
    if isinstance(item, Mapping):
        for role, content in LAYOUTS:
            if isinstance(item.get(role), str):
                return _record(item, item[role].strip(), item.get(content))
    raise Unfit("expected {role, content} or {from, value}, both text")


def turn(role: str, content: str, **more: Any) -> dict[str, Any]:
    """A record with the other fields at their defaults."""
    return {"role": role, "content": content, "tool_calls": "", "tool_call_id": "", "name": "", "weight": 1, **more}


def order_fault(turns: Sequence[Mapping[str, Any]]) -> str | None:
    """Which turn is out of order, what may stand there, and what was found; None where all are in order."""
    before: str | None = None
    for number, one in enumerate(turns, start=1):
        role = one["role"]
        if before not in _AFTER[role]:
            expected = " or ".join(of for of in ROLES if before in _AFTER[of]) or "the end"
            called = {None: "the beginning", "calls": "a tool call of the assistant"}.get(before, f"{before!r}")
            return f"turn {number} is out of order: expected {expected} after {called}, found {role!r}"
        before = "calls" if one["tool_calls"] else role
    return None


def unread(items: Iterable[Any]) -> set[str]:
    """Keys of turns that hold something and are not read."""
    return {
        str(key)
        for item in items
        if isinstance(item, Mapping)
        for key, value in item.items()
        if key not in _READ and value not in (None, "", [], {})
    }


def calls_of(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tool calls of a turn: ``{"name", "arguments", "id"}``."""
    found: list[dict[str, Any]] = json.loads(one["tool_calls"]) if one["tool_calls"] else []
    return found


def as_openai(one: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a message of OpenAI's chat format, with arguments as an object, as chat templates expect them.

    Law: ``turn_of(as_openai(record)) == record``.
    """
    found: dict[str, Any] = {"role": one["role"], "content": one["content"]}
    if one["tool_calls"]:
        found["tool_calls"] = [
            {
                **({"id": call["id"]} if call["id"] else {}),
                "type": "function",
                "function": {"name": call["name"], "arguments": call["arguments"]},
            }
            for call in calls_of(one)
        ]
    found.update({name: one[name] for name in ("tool_call_id", "name") if one[name]})
    return found if one["weight"] else {**found, "weight": 0}


def without_nulls(value: Any) -> Any:
    """Objects without keys that are null: Arrow gives every object the keys of all others."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def tools_turn(value: Any) -> dict[str, Any] | None:
    """Definitions of functions (a list, or JSON) as the turn ``tools``; None where there are none.

    Raises:
        Unfit: it is no list of objects with a name.
    """
    found = _json(value, "a list of functions") if isinstance(value, str) and value.strip() else value
    if found in (None, "", []) or (isinstance(found, str) and not found.strip()):
        return None
    if not isinstance(found, list) or not all(isinstance(tool, Mapping) and tool_name(tool) for tool in found):
        raise Unfit("expected a list of functions, each with a name")
    return turn("tools", json.dumps(found, ensure_ascii=False))


def tool_name(tool: Mapping[str, Any]) -> str:
    """The name in a function's definition, plain or inside ``function`` as OpenAI has it; empty where there is none."""
    inner = tool.get("function")
    name = inner.get("name") if isinstance(inner, Mapping) else tool.get("name")
    return name if isinstance(name, str) else ""


def _record(item: Mapping[str, Any], said: str, value: Any) -> dict[str, Any]:
    role = _ALIASES.get(said.lower(), said.lower())
    if role not in ROLES:
        known = (*ROLES, *_ALIASES)
        raise Unfit(f"unknown role {said!r}; expected {', '.join(ROLES)}. {did_you_mean(said, known)}".rstrip())
    if role == "tools":
        found = tools_turn(value)
        if found is None:
            raise Unfit("expected a list of functions in a turn of the role 'tools'")
        return found
    content, calls = _content(value), item.get("tool_calls") or item.get("function_call")
    if said.lower() in _CALLING:
        content, calls = "", content
    made = _calls(calls) if calls else []
    if made and role != "assistant":
        raise Unfit(f"tool calls belong to the assistant, found them in a turn of {role!r}")
    if not content.strip() and not made and role != "tool":
        raise Unfit("the answer is empty" if role == "assistant" else f"the turn of {role!r} is empty")
    return turn(
        role,
        content,
        tool_calls=json.dumps(made, ensure_ascii=False) if made else "",
        tool_call_id=_text(item, "tool_call_id"),
        name=_text(item, "name"),
        weight=_weight(item.get("weight")),
    )


def _content(value: Any) -> str:
    """A text; of a list of parts, as OpenAI has them, the texts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [part.get("text") if isinstance(part, Mapping) else part for part in value]
        kinds = [part.get("type", "text") if isinstance(part, Mapping) else "text" for part in value]
        if set(kinds) <= {"text"} and all(isinstance(text, str) for text in texts):
            return "".join(map(str, texts))
        raise Unfit(f"expected text, found parts of the types {', '.join(sorted(set(map(str, kinds))))}")
    raise Unfit(f"expected a text as content, found {type(value).__name__}")


def _calls(value: Any) -> list[dict[str, Any]]:
    found = _json(value, "a tool call") if isinstance(value, str) else value
    items = found if isinstance(found, list) else [found]
    return [_call(item) for item in items]


def _call(item: Any) -> dict[str, Any]:
    inner = item.get("function", item) if isinstance(item, Mapping) else None
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(name, str) or not name:
        raise Unfit("expected a tool call with a name and arguments")
    arguments = inner.get("arguments")
    if isinstance(arguments, str):
        arguments = _json(arguments, "arguments") if arguments.strip() else {}
    if arguments is not None and not isinstance(arguments, Mapping):
        raise Unfit(f"expected an object as the arguments of the tool call {name!r}, found {type(arguments).__name__}")
    return {"name": name, "arguments": dict(arguments or {}), "id": str(item.get("id") or "")}


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit(f"expected {what} as JSON") from None


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise Unfit(f"expected a text as {key}, found {type(value).__name__}")
    return value or ""


def _weight(value: Any) -> int:
    if value is None or (isinstance(value, bool | int | float) and value in (0, 1)):
        return 1 if value is None else int(value)
    raise Unfit(f"expected a weight of 0 or 1, found {value!r}")
