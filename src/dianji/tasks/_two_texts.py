"""Two texts as one input: the base's own pair template and token types; the longer text is cut first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Encoding, Tokenizer, processors

from dianji.bases.base import Base
from dianji.data.source import pieces
from dianji.errors import CapabilityError, DataError
from dianji.tasks import _tokens
from dianji.tasks._rows import where
from dianji.tasks._special import tokenizer_for

_CHARACTERS = 2**20  # of the texts that are encoded at a time
_LEAST = 1  # tokens of each text


@dataclass(frozen=True)
class TwoTexts:
    """Pairs as token numbers; arrays with an entry per pair."""

    tokens: pa.LargeListArray
    #: 0 for the first text with what surrounds it, 1 for the second one, where the base tells them apart; else None.
    types: pa.LargeListArray | None
    #: (pairs,) int32: tokens of the whole pair, more than those that are kept where it was cut.
    whole: np.ndarray

    def table(self, **columns: pa.Array) -> pa.Table:
        """``row``, ``length``, ``input_ids``, ``types`` where there are any, ``whole``, then ``columns``."""
        length = np.diff(self.tokens.offsets.to_numpy()).astype(np.int32)
        types = {} if self.types is None else {"types": self.types}
        rows = pa.array(np.arange(len(length)), pa.int64())
        own = {"row": rows, "length": pa.array(length), "input_ids": self.tokens, **types}
        return pa.table({**own, "whole": pa.array(self.whole, pa.int32()), **columns})


def two_texts(table: pa.Table, names: tuple[str, str], base: Base, wanted: int | None, default: int) -> TwoTexts:
    """The pairs of two columns.

    Args:
        table: has the columns; ``where`` names its rows in errors.
        names: of the two columns.
        base: whose tokenizer reads.
        wanted: tokens of a pair, special ones included; None: ``default``, or what the base takes if that is less.
        default: see ``wanted``.

    Raises:
        CapabilityError: the tokenizer cannot put two texts into one input, or ``wanted`` does not fit the base.
        DataError: a text has no tokens.
    """
    frame = _Frame.of(_template(base), base)
    special = frame.special
    length = _limit(base, wanted, default, special)
    typed = _types(base)
    tokens: list[list[int]] = []
    types: list[list[int]] = []
    whole: list[int] = []
    pairs = zip(*(table[name].to_pylist() for name in names), strict=True)
    for part in pieces(pairs, lambda pair: len(pair[0]) + len(pair[1]), _CHARACTERS):
        for one, other in zip(*(_alone([pair[side] for pair in part], base) for side in (0, 1)), strict=True):
            sizes = len(one), len(other)
            if 0 in sizes:
                raise _nothing(table, len(whole), names[sizes.index(0)], base)
            kept = longest_first(*sizes, length - special)
            tokens.append(frame.around(one.ids[: kept[0]], other.ids[: kept[1]]))
            whole.append(sum(sizes) + special)
            if typed:
                types.append(frame.types(*kept))
    read = _tokens.lists(tokens)
    return TwoTexts(read, _tokens.lists(types) if typed else None, np.array(whole, dtype=np.int32))


@dataclass(frozen=True)
class _Frame:
    """What the template puts before, between and after two texts: (token, type) of each, and the types of the texts.

    The tokenizer's own ``post_process`` cannot join every text that was cut: some of its templates panic.
    """

    before: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, int], ...]
    after: tuple[tuple[int, int], ...]
    text_types: tuple[int, int]

    @classmethod
    def of(cls, template: Tokenizer, base: Base) -> _Frame:
        joined = template.encode("a", "b")
        sides, tokens = joined.sequence_ids, list(zip(joined.ids, joined.type_ids, strict=True))
        if not {0, 1} <= set(sides):
            raise CapabilityError(
                f"the tokenizer of base '{base.card.name}' reads nothing of 'a' and 'b', so that it is not known how "
                "it joins two texts. Choose another base."
            )
        first, other = sides.index(0), sides.index(1)
        ends = [len(sides) - sides[::-1].index(side) for side in (0, 1)]
        return cls(
            before=tuple(tokens[:first]),
            between=tuple(tokens[ends[0] : other]),
            after=tuple(tokens[ends[1] :]),
            text_types=(joined.type_ids[first], joined.type_ids[other]),
        )

    @property
    def special(self) -> int:
        """How many tokens are not the texts'."""
        return len(self.before) + len(self.between) + len(self.after)

    def around(self, one: Sequence[int], other: Sequence[int]) -> list[int]:
        """Both texts as one input."""
        before, between, after = ([token for token, _ in of] for of in (self.before, self.between, self.after))
        return [*before, *one, *between, *other, *after]

    def types(self, one: int, other: int) -> list[int]:
        """The types of such an input, by the lengths of both texts."""
        before, between, after = ([kind for _, kind in of] for of in (self.before, self.between, self.after))
        return [*before, *[self.text_types[0]] * one, *between, *[self.text_types[1]] * other, *after]


def longest_first(one: int, other: int, room: int) -> tuple[int, int]:
    """How many tokens are kept of two texts: the longer one is cut until both are equally long, then both are.

    Law: as ``truncation="longest_first"`` of transformers' fast tokenizers.
    """
    if one + other <= room:
        return one, other
    short, long = sorted((one, other))
    long = max(short, room - short)
    if short + long > room:
        short = room // 2
        long = room - short
    return (long, short) if one > other else (short, long)


def _limit(base: Base, wanted: int | None, default: int, special: int) -> int:
    most, least = _tokens.longest(base), special + 2 * _LEAST
    length = min(most, default) if wanted is None else wanted
    if not least <= length <= most:
        raise CapabilityError(
            f"length {length} does not fit base '{base.card.name}': expected {least} to {most} tokens, of which "
            f"{special} are special ones of a pair. Set the task's length within that range."
        )
    return length


def _types(base: Base) -> bool:
    """Whether the base has embeddings for two types of tokens, and its tokenizer marks them."""
    several = getattr(base.config, "type_vocab_size", None) or 0
    return several > 1 and "token_type_ids" in base.processor.model_input_names


def _alone(texts: Sequence[str], base: Base) -> list[Encoding]:
    """Each text without special tokens; those that it spells out are text."""
    encoded = tokenizer_for(base.processor, texts)(
        list(texts), add_special_tokens=False, split_special_tokens=True, truncation=False, verbose=False
    )
    found: list[Encoding] = encoded.encodings
    return found


def _template(base: Base) -> Tokenizer:
    """The tokenizer that joins two texts, and cuts nothing.

    Where the base's own template puts nothing between two texts, as GPT-2's does, a separator comes between them. It
    becomes part of the tokenizer, so that whatever opens the artefact joins texts in the same way.

    Raises:
        CapabilityError: there is no fast tokenizer, or no token that could separate texts.
    """
    if not base.processor.is_fast:
        raise CapabilityError(f"the tokenizer of base '{base.card.name}' has no fast version. Choose another base.")
    tokenizer: Tokenizer = base.processor.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if not _separates(tokenizer.encode("a", "b")):
        tokenizer.post_processor = _separating(tokenizer, base)
    return tokenizer


def _separates(joined: Encoding) -> bool:
    """Whether a special token stands between the two texts."""
    sides = joined.sequence_ids
    between = sides[len(sides) - 1 - sides[::-1].index(0) : sides.index(1)] if {0, 1} <= set(sides) else []
    return None in between


def _separating(tokenizer: Tokenizer, base: Base) -> Any:
    """A post-processor that leaves single texts as they are and puts a separator between two."""
    number = base.processor.sep_token_id
    number = base.processor.eos_token_id if number is None else number
    if number is None:
        raise CapabilityError(
            f"the tokenizer of base '{base.card.name}' puts nothing between two texts and has no token to separate "
            "them (sep_token or eos_token). Choose another base."
        )
    around = tokenizer.encode("a")
    places = [place for place, side in enumerate(around.sequence_ids) if side is not None]
    before, after = around.ids[: places[0]], around.ids[places[-1] + 1 :]
    names = {token: str(tokenizer.id_to_token(token)) for token in (*before, *after, int(number))}
    first, last, mark = [names[token] for token in before], [names[token] for token in after], names[int(number)]
    only_offsets = not before and not after and tokenizer.post_processor is not None
    steps = [tokenizer.post_processor] if only_offsets else []
    template = processors.TemplateProcessing(
        single=[*first, "$A", *last],
        pair=[*first, "$A", mark, "$B:1", *(f"{token}:1" for token in last)],
        special_tokens=[(name, token) for token, name in names.items()],
    )
    return processors.Sequence([*steps, template]) if steps else template


def _nothing(table: pa.Table, row: int, name: str, base: Base) -> DataError:
    return DataError(
        f"{where(table, row)}: column '{name}' holds {table[name][row].as_py()!r:.60}, of which the tokenizer of base "
        f"'{base.card.name}' reads nothing; expected a text on both sides of a pair. Write it, or leave the row out."
    )
