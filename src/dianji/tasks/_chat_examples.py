"""Rows of conversations to examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from dianji.errors import DataError
from dianji.tasks import _tokens
from dianji.tasks._chat_template import Unrenderable
from dianji.tasks._chat_tokens import ChatTokenizer, Turns, split_last_answer
from dianji.tasks._rows import refuse_null, where
from dianji.tasks.truncation import WHOLE

#: Which answers of a conversation are learnt.
Learnt = Literal["all", "last"]

_PLAIN = {"tools": "Tools", "system": "System", "user": "User", "assistant": "Assistant", "tool": "Result"}


@dataclass(frozen=True)
class Sizes:
    """The most tokens of a conversation, and of a prompt."""

    conversation: int
    prompt: int


def encoded(table: pa.Table, reader: ChatTokenizer, sizes: Sizes, learnt: Learnt) -> pa.Table:
    """``row``, ``length``, ``input_ids``, ``answers``, ``prompt``, ``reference``, ``whole``.

    A conversation without an answer has its prompt as ``input_ids``, and null as ``reference``.

    Raises:
        DataError: the template cannot write a conversation; names the row.
    """
    refuse_null(table, "messages", "a list of messages")
    ids, answers, prompts, references, whole = [], [], [], [], []
    for row, turns in enumerate(table["messages"].to_pylist()):
        try:
            before, last = split_last_answer(turns)
            prompt = reader.prompt(before, sizes.prompt)
            answered = any(one["role"] == "assistant" and one["weight"] for one in turns)
            found = (
                reader.conversation(turns, sizes.conversation, last_only=learnt == "last")
                if answered
                else reader.prompt(before, sizes.conversation)
            )
        except Unrenderable as error:
            raise DataError(f"{where(table, row)}: {error}") from None
        ids.append(found.chat.ids)
        answers.append(found.chat.answers)
        prompts.append(prompt.chat.ids)
        references.append(None if last is None else reader.written(before, last))
        missing = prompt.whole - len(prompt.chat.ids)
        whole.append(max(found.whole, len(found.chat.ids) + missing))
    tokens = _tokens.lists(ids)
    return pa.table(
        {
            "row": pa.array(np.arange(table.num_rows), pa.int64()),
            "length": pa.array(np.diff(tokens.offsets.to_numpy()), pa.int32()),
            "input_ids": tokens,
            "answers": _tokens.lists(answers),
            "prompt": _tokens.lists(prompts),
            "reference": pa.array(references, pa.large_string()),
            WHOLE: pa.array(whole, pa.int32()),
        }
    )


def prompt(reader: ChatTokenizer, turns: Turns, room: int) -> list[int]:
    """What the model reads before it answers.

    Raises:
        DataError: the template cannot write it.
    """
    try:
        return reader.prompt(turns, room).chat.ids
    except Unrenderable as error:
        raise DataError(f"the conversation cannot be answered: {error}") from None


def nothing_to_learn(turns: Sequence[Mapping[str, Any]], learnt: Learnt) -> str:
    """Why nothing can be learnt from a conversation; empty where something can."""
    answers = [one for one in turns if one["role"] == "assistant"]
    if not answers:
        return (
            "the conversation has no turn of the assistant, so that there is nothing to learn from it. Add the answer, "
            "or remove the row."
        )
    if turns[-1]["role"] != "assistant":
        return (
            f"the conversation ends with a turn of the role {turns[-1]['role']!r}, expected an answer of the "
            "assistant. Add the answer, or remove the turn."
        )
    if not any(one["weight"] for one in (answers if learnt == "all" else answers[-1:])):
        return "every answer that would be learnt has the weight 0. Give one of them the weight 1, or remove the row."
    return ""


def plain(turns: Sequence[Mapping[str, Any]]) -> str:
    """A conversation in the words of the plain template, without special tokens."""
    return "\n".join(
        f"{_PLAIN[one['role']]}: {one['content']}" + (f" Call: {one['tool_calls']}" if one["tool_calls"] else "")
        for one in turns
    )
