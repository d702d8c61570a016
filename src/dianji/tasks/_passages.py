"""Questions with contexts as windows of tokens that know their characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.bases.base import Base
from dianji.errors import CapabilityError
from dianji.tasks import _tokens
from dianji.tasks._special import tokenizer_for

#: Pairs that are encoded at a time.
_AT_ONCE = 512


@dataclass(frozen=True)
class Passages:
    """Windows of all rows, in the order of the rows."""

    rows: np.ndarray  # (windows,) int64
    tokens: list[list[int]]
    types: list[list[int]]
    starts: list[list[int]]  # first character of each token in the context; -1 outside it
    ends: list[list[int]]  # the character after its last one
    #: Tokens of the whole row, more than those of its window where the question was cut.
    whole: np.ndarray

    def targets(self, golds: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[pa.Array, pa.Array]:
        """(windows,) tokens of the first expected answer; the first token where a window does not hold all of it."""
        found = np.zeros((2, len(self.rows)), dtype=np.int64)
        for window, row in enumerate(self.rows.tolist()):
            if golds[row]:
                answer = golds[row][0]
                found[:, window] = self._tokens_of(window, answer["start"], answer["start"] + len(answer["text"]))
        return pa.array(found[0]), pa.array(found[1])

    def at_first(self, values: Sequence[Any]) -> list[Any]:
        """A row's value at its first window, None at the others."""
        first = np.append(True, self.rows[1:] != self.rows[:-1])[: len(self.rows)]
        return [values[row] if new else None for row, new in zip(self.rows.tolist(), first.tolist(), strict=True)]

    def table(self, columns: Mapping[str, Any]) -> pa.Table:
        """``row``, ``length``, ``input_ids``, ``types``, ``starts``, ``ends``, ``whole``, then ``columns``."""
        ids = _tokens.lists(self.tokens)
        lists = {name: _tokens.lists(getattr(self, name)) for name in ("types", "starts", "ends")}
        length = pc.list_value_length(ids).cast(pa.int32())
        own = {"row": pa.array(self.rows, pa.int64()), "length": length, "input_ids": ids, **lists}
        return pa.table({**own, "whole": pa.array(self.whole, pa.int32()), **columns})

    def _tokens_of(self, window: int, start: int, end: int) -> tuple[int, int]:
        starts, ends = np.array(self.starts[window]), np.array(self.ends[window])
        inside = np.flatnonzero((starts >= 0) & (starts < end) & (ends > start))
        if not len(inside) or starts[inside[0]] > start or ends[inside[-1]] < end:
            return 0, 0
        return int(inside[0]), int(inside[-1])


def passages(
    questions: Sequence[str], contexts: Sequence[str], base: Base, *, length: int, stride: int, question_length: int
) -> Passages:
    """Every context in windows beside its question.

    Args:
        questions: cut to ``question_length`` tokens.
        contexts: an empty one is a window with the question alone.
        base: whose tokenizer reads.
        length: tokens of a window, special ones included.
        stride: tokens that neighbouring windows share.
        question_length: most tokens of a question.

    Raises:
        CapabilityError: there is no room for a context beside the question, or the windows overlap too much.
    """
    if not base.processor.is_fast:
        raise CapabilityError(f"the tokenizer of base '{base.card.name}' has no fast version. Choose another base.")
    room = length - question_length - base.processor.num_special_tokens_to_add(pair=True)
    if room < 1 or stride >= room:
        raise CapabilityError(
            f"windows of {length} tokens leave {max(0, room)} for the context beside a question of {question_length}, "
            f"and {stride} of them overlap. Raise the task's length, or lower question_length or stride."
        )
    found = Passages(np.empty(0, np.int64), [], [], [], [], np.empty(0, np.int64))
    rows: list[int] = []
    whole: list[int] = []
    for first in range(0, len(questions), _AT_ONCE):
        asked, over = _shortened(questions[first : first + _AT_ONCE], base, question_length)
        read = list(contexts[first : first + _AT_ONCE])
        encoded = tokenizer_for(base.processor, [*asked, *read])(
            asked,
            read,
            split_special_tokens=True,
            truncation="only_second",
            max_length=length,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_token_type_ids=True,
        )
        for window, row in enumerate(encoded["overflow_to_sample_mapping"]):
            rows.append(first + row)
            _add(found, encoded, window)
            whole.append(len(found.tokens[-1]) + over[row])
    return Passages(
        np.array(rows, np.int64), found.tokens, found.types, found.starts, found.ends, np.array(whole, np.int64)
    )


def _add(found: Passages, encoded: Any, window: int) -> None:
    context = [sequence == 1 for sequence in encoded.sequence_ids(window)]
    offsets = encoded["offset_mapping"][window]
    found.tokens.append(encoded["input_ids"][window])
    found.types.append(encoded["token_type_ids"][window])
    found.starts.append([start if inside else -1 for (start, _), inside in zip(offsets, context, strict=True)])
    found.ends.append([end if inside else -1 for (_, end), inside in zip(offsets, context, strict=True)])


def _shortened(questions: Sequence[str], base: Base, length: int) -> tuple[list[str], list[int]]:
    """Questions of at most ``length`` tokens, and how many tokens each lost."""
    encoded = tokenizer_for(base.processor, questions)(
        list(questions), split_special_tokens=True, add_special_tokens=False, return_offsets_mapping=True
    )
    texts, lost = [], []
    for question, offsets in zip(questions, encoded["offset_mapping"], strict=True):
        over = len(offsets) - length
        texts.append(question[: offsets[length - 1][1]] if over > 0 else question)
        lost.append(max(0, over))
    return texts, lost
