"""Chat templates: conversations to text, and where in it each answer stands.

Answers are found by rendering beginnings of the conversation, as a model is asked for them, and never by
``{% generation %}``, which few templates have. Whatever a template leaves out or changes is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from jinja2 import TemplateError

from dianji.bases.base import Base
from dianji.data.columns._turns import as_openai, calls_of, tool_name
from dianji.errors import CapabilityError

#: ``auto``: the base's own template; of a base without one, ours.
Choice = Literal["auto", "default"]

#: ``User: …``, ``Assistant: …`` and so on, a turn per line, in words that every tokenizer has. An answer ends with the
#: end token (the separator of tokenizers without one), and a conversation begins with the first special token.
DEFAULT = """\
{%- set end = eos_token if eos_token is defined and eos_token else sep_token -%}
{%- if bos_token is defined and bos_token -%}{{- bos_token -}}
{%- elif cls_token is defined and cls_token -%}{{- cls_token -}}{%- endif -%}
{%- if tools -%}{{- 'Tools: ' + (tools | tojson) + '\n' -}}{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}{{- 'System: ' + message.content + '\n' -}}
{%- elif message.role == 'user' -%}{{- 'User: ' + message.content + '\n' -}}
{%- elif message.role == 'tool' -%}{{- 'Result: ' + message.content + '\n' -}}
{%- elif message.role == 'assistant' -%}
{{- 'Assistant:' -}}
{%- if message.content -%}{{- ' ' + message.content -}}{%- endif -%}
{%- for call in message.tool_calls or [] -%}{{- ' Call: ' + (call.function | tojson) -}}{%- endfor -%}
{{- end + '\n' -}}
{%- else -%}{{- raise_exception('unknown role: ' + message.role) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}
"""

_ADVICE = "Set template: default, or choose a base whose template has such turns."


class Unrenderable(ValueError):
    """A conversation that a template cannot write; the message says why."""


class Span(NamedTuple):
    """Characters of a text, the last one excluded."""

    start: int
    end: int


@dataclass(frozen=True)
class AnswerPlace:
    """Where an answer stands."""

    #: From where the model would begin to write, up to where the next turn begins.
    span: Span
    #: The end of what the answer says: the end token comes after it.
    said: int
    #: Counted from 1 within the conversation.
    number: int
    learnt: bool


@dataclass(frozen=True)
class Rendered:
    """A conversation as text. ``contents``: texts of turns, in which special tokens mean nothing."""

    text: str
    answers: tuple[AnswerPlace, ...]
    contents: tuple[Span, ...]


@dataclass(frozen=True)
class Template:
    """A tokenizer with the template to use; None is the tokenizer's own."""

    processor: Any
    source: str | None

    @classmethod
    def of(cls, base: Base, choice: Choice) -> Template:
        """The template of a base.

        Raises:
            CapabilityError: the tokenizer has no token to end an answer with.
        """
        processor = base.processor
        if choice == "auto" and getattr(processor, "chat_template", None):
            return cls(processor, None)
        if processor.eos_token is None and processor.sep_token is None:
            raise CapabilityError(
                f"the tokenizer of base '{base.card.name}' has neither a chat template nor an end or separator token, "
                "so that an answer could not end. Choose another base."
            )
        return cls(processor, DEFAULT)

    def install(self) -> None:
        """Make the template the tokenizer's own, so that it is saved with it."""
        if self.source is not None:
            self.processor.chat_template = self.source

    def text(self, turns: Sequence[Mapping[str, Any]], *, prompt: bool) -> str:
        """The conversation; with ``prompt`` also the beginning of an answer.

        Raises:
            Unrenderable: the template refuses it.
        """
        tools = _tools(turns)
        messages = [_message(one) for one in turns if one["role"] != "tools"]
        try:
            found: str = self.processor.apply_chat_template(
                messages,
                tools=tools or None,
                chat_template=self.source,
                tokenize=False,
                add_generation_prompt=prompt,
            )
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise Unrenderable(f"the chat template fails ({' '.join(str(error).split())[:200]}). {_ADVICE}") from None
        return found


def lay_out(template: Template, turns: Sequence[Mapping[str, Any]], *, last_only: bool = False) -> Rendered:
    """The conversation as text, with the places of its answers.

    Args:
        template: writes it.
        turns: records of the column kind ``messages``.
        last_only: only the last answer is one; those before are context.

    Raises:
        Unrenderable: the template fails, leaves out or changes a turn, writes earlier turns otherwise once later ones
            follow, or does not let an answer end.
    """
    text = template.text(turns, prompt=False)
    _require_tools(text, turns)
    answers: list[AnswerPlace] = []
    contents: list[Span] = []
    last = max((place for place, one in enumerate(turns) if one["role"] == "assistant"), default=-1)
    position = number = 0
    for place, one in enumerate(turns):
        if one["role"] == "tools":
            continue
        limit, answer = len(text), None
        if one["role"] == "assistant":
            number += 1
            if not last_only or place == last:
                answer = _segment(template, text, turns, place)
                position, limit = max(position, answer.start), answer.end
        found = _content(text, one, place, position, limit)
        contents += [found] if one["content"] else []
        said = _calls(text, one, place, found.end, limit)
        position = said
        if answer is not None:
            answers.append(AnswerPlace(answer, said, number, bool(one["weight"])))
            position = answer.end
    return Rendered(text, tuple(answers), tuple(contents))


def lay_out_prompt(template: Template, turns: Sequence[Mapping[str, Any]]) -> Rendered:
    """A conversation that the assistant is to answer, up to where the model begins to write.

    Raises:
        Unrenderable: see ``lay_out``.
    """
    text = template.text(turns, prompt=True)
    _require_tools(text, turns)
    contents, position = [], 0
    for place, one in enumerate(turns):
        if one["role"] != "tools":
            found = _content(text, one, place, position, len(text))
            contents += [found] if one["content"] else []
            position = _calls(text, one, place, found.end, len(text))
    return Rendered(text, (), tuple(contents))


def _segment(template: Template, text: str, turns: Sequence[Mapping[str, Any]], place: int) -> Span:
    before = template.text(turns[:place], prompt=True)
    after = template.text(turns[: place + 1], prompt=False)
    if not text.startswith(after):
        after = after.rstrip()
    if not text.startswith(before) or not text.startswith(after) or len(after) <= len(before):
        raise Unrenderable(
            f"the chat template writes the turns up to {place + 1} otherwise than as the beginning of the whole "
            "conversation, so that it cannot be told which tokens are the answer. Set answers: last, if only the last "
            "answer is to be learnt, or template: default."
        )
    return Span(len(before), len(after))


def _content(text: str, one: Mapping[str, Any], place: int, start: int, end: int) -> Span:
    """Where the content stands, plain or inside a JSON string; an empty span where there is none."""
    wanted = str(one["content"]).strip()
    if not wanted:
        return Span(start, start)
    for form in (wanted, json.dumps(wanted, ensure_ascii=False)[1:-1], json.dumps(wanted)[1:-1]):
        found = text.find(form, start, end)
        if found >= 0:
            return Span(found, found + len(form))
    raise Unrenderable(
        f"the chat template leaves out or changes turn {place + 1} (role {one['role']!r}: {wanted[:60]!r}). {_ADVICE}"
    )


def _calls(text: str, one: Mapping[str, Any], place: int, start: int, end: int) -> int:
    """Where the last tool call's name ends; ``start`` where there is no call."""
    for call in calls_of(one):
        found = text.find(call["name"], start, end)
        if found < 0:
            raise Unrenderable(
                f"the chat template leaves out the tool call {call['name']!r} of turn {place + 1}. {_ADVICE}"
            )
        start = found + len(call["name"])
    return start


def _require_tools(text: str, turns: Sequence[Mapping[str, Any]]) -> None:
    for tool in _tools(turns):
        if tool_name(tool) not in text:
            raise Unrenderable(
                f"the chat template leaves out the definition of the tool {tool_name(tool)!r}. {_ADVICE}"
            )


def _tools(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Definitions as OpenAI has them, which templates expect."""
    found = [tool for one in turns if one["role"] == "tools" for tool in json.loads(one["content"])]
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in found]


def _message(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in as_openai(one).items() if key != "weight"}
