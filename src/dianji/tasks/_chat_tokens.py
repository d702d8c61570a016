"""Conversations as tokens: which of them are answers, what is cut where there are too many, and prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dianji.data.columns._turns import turn
from dianji.errors import CapabilityError
from dianji.tasks._chat_template import Rendered, Span, Template, Unrenderable, lay_out, lay_out_prompt
from dianji.tasks._special import tokenizer_for

Turns = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class TokenizedChat:
    """A conversation. ``answers``: of each token the number of the answer it belongs to, 0 for context."""

    ids: list[int]
    answers: list[int]


@dataclass(frozen=True)
class Cut:
    """The tokens that are kept of a conversation, and the number of all its tokens."""

    chat: TokenizedChat
    whole: int


@dataclass(frozen=True)
class ChatTokenizer:
    """A fast tokenizer with a template."""

    template: Template

    def tokens(self, rendered: Rendered) -> TokenizedChat:
        """All tokens, and which are answers: what the model is to write, up to and with the token that ends it.

        A token that stands half in the prompt is context. Special tokens that a turn spells out are text.

        Raises:
            Unrenderable: the template has no end token after an answer.
        """
        ids, spans, meant = self._read(rendered)
        answers = [0] * len(ids)
        for place in rendered.answers:
            inside = [
                number
                for number, span in enumerate(spans)
                if meant[number] and span.start >= place.said and span.end <= place.span.end
            ]
            if not inside:
                raise Unrenderable(
                    "the chat template writes no special token after an answer, so that the model would not learn to "
                    "stop. Set template: default."
                )
            for number in range(inside[-1] + 1):
                if spans[number].start >= place.span.start and place.learnt:
                    answers[number] = place.number
        return TokenizedChat(ids, answers)

    def conversation(self, turns: Turns, length: int, *, last_only: bool) -> Cut:
        """The conversation in at most ``length`` tokens, of which at least one is an answer's.

        The oldest exchanges are left out first. Of a single exchange that is too long the end of the prompt is kept,
        at least half of the window if the answer needs it, and the beginning of the answer.

        Raises:
            Unrenderable: see ``lay_out``.
        """
        found = self.tokens(lay_out(self.template, turns, last_only=last_only))
        whole, kept = len(found.ids), list(turns)
        while len(found.ids) > length and (fewer := _without_oldest(kept)) and _answered(fewer):
            kept = fewer
            found = self.tokens(lay_out(self.template, kept, last_only=last_only))
        return Cut(_shortened(found, length), whole)

    def prompt(self, turns: Turns, length: int) -> Cut:
        """What the model reads before it answers, at most ``length`` tokens: the oldest go first.

        Raises:
            Unrenderable: see ``lay_out``.
        """
        found = self.tokens(lay_out_prompt(self.template, turns))
        whole, kept = len(found.ids), list(turns)
        while len(found.ids) > length and (fewer := _without_oldest(kept)):
            kept = fewer
            found = self.tokens(lay_out_prompt(self.template, kept))
        return Cut(TokenizedChat(found.ids[-length:], found.answers[-length:]), whole)

    def written(self, before: Turns, answer: Mapping[str, Any]) -> str:
        """An answer as the model would write it: its text; with tool calls, what the template makes of them.

        Raises:
            Unrenderable: see ``lay_out``.
        """
        if not answer["tool_calls"]:
            return str(answer["content"]).strip()
        found = self.tokens(lay_out(self.template, [*before, {**answer, "weight": 1}], last_only=True))
        ids = [token for token, number in zip(found.ids, found.answers, strict=True) if number]
        return str(self.template.processor.decode(ids, skip_special_tokens=True)).strip()

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end an answer: the template's, and the tokenizer's own.

        Raises:
            CapabilityError: the template fails on a plain question and answer.
        """
        asked = [turn("user", "a"), turn("assistant", "b")]
        try:
            found = self.tokens(lay_out(self.template, asked))
        except Unrenderable as error:
            raise CapabilityError(f"a question and its answer cannot be written: {error}") from None
        last = max(number for number, answer in enumerate(found.answers) if answer)
        own = self.template.processor.eos_token_id
        return tuple(dict.fromkeys([found.ids[last], *([] if own is None else [int(own)])]))

    def _read(self, rendered: Rendered) -> tuple[list[int], list[Span], list[bool]]:
        """Tokens, their characters, and which of them are special tokens of the template."""
        processor = self.template.processor
        encoded = processor(
            rendered.text,
            add_special_tokens=False,
            split_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        ids: list[int] = []
        spans: list[Span] = []
        meant: list[bool] = []
        for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            special = token in self._special
            spelt = special and any(of.start <= start and end <= of.end for of in rendered.contents)
            found = self._literal(rendered.text[start:end]) if spelt else [token]
            ids += found
            spans += [Span(start, end)] * len(found)
            meant += [special and not spelt] * len(found)
        return ids, spans, meant

    def _literal(self, text: str) -> list[int]:
        """A special token's name as text."""
        processor = self.template.processor
        found: list[int] = tokenizer_for(processor, [text])(
            text, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False
        )["input_ids"]
        return found

    @cached_property
    def _special(self) -> frozenset[int]:
        """Special tokens; not the unknown one, which stands for text."""
        processor = self.template.processor
        added = {number for number, token in processor.added_tokens_decoder.items() if token.special}
        ends = {processor.eos_token_id, processor.sep_token_id, processor.bos_token_id}
        unknown = {processor.unk_token_id} - ends
        return frozenset({*added, *processor.all_special_ids} - unknown - {None})


def split_last_answer(turns: Turns) -> tuple[Turns, Mapping[str, Any] | None]:
    """What the last answer answers, and that answer; None where the conversation still waits for one."""
    if turns and turns[-1]["role"] == "assistant":
        return turns[:-1], turns[-1]
    return turns, None


def _answered(turns: Turns) -> bool:
    return any(one["role"] == "assistant" and one["weight"] for one in turns)


def _without_oldest(turns: Turns) -> list[Mapping[str, Any]]:
    """The conversation without its first exchange; empty where it has only one."""
    asked = [place for place, one in enumerate(turns) if one["role"] == "user"]
    return [*turns[: asked[0]], *turns[asked[1] :]] if len(asked) > 1 else []


def _shortened(found: TokenizedChat, length: int) -> TokenizedChat:
    if len(found.ids) <= length:
        return found
    learnt = [place for place, answer in enumerate(found.answers) if answer]
    first, end = (learnt[0], learnt[-1] + 1) if learnt else (0, len(found.ids))
    answered = min(end - first, max(length - first, length - length // 2))
    start, stop = max(0, first + answered - length), first + answered
    return TokenizedChat(found.ids[start:stop], found.answers[start:stop])
