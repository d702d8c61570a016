"""Special tokens that a text spells out are text: ``[SEP]`` in a ticket separates nothing.

Tokenizers read them as what they stand for unless they are told not to, and some even then: where a token is a piece of
the model's own vocabulary, as ``<s>`` is in Unigram, the model finds it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tokenizers import Tokenizer

#: Before the name of a special token that no text may reach.
_HIDDEN = "\x00\ue000"


def tokenizer_for(processor: Any, texts: Sequence[str], keep: Sequence[str] = ()) -> Any:
    """The tokenizer to call, with ``split_special_tokens=True``, so that special tokens in ``texts`` are text.

    Args:
        processor: a fast tokenizer of transformers.
        texts: about to be encoded.
        keep: special tokens that keep their meaning.
    """
    return _reader(processor, tuple(token for token in keep if any(token in text for text in texts)))


@lru_cache(maxsize=16)
def _reader(processor: Any, keep: tuple[str, ...]) -> Any:
    """Itself, or a copy in whose vocabulary special tokens go by names that no text has; their numbers stay."""
    if not keep and not _found_anyway(processor):
        return processor
    state = json.loads(processor.backend_tokenizer.to_str())
    hidden = {token["content"] for token in state["added_tokens"] if token["special"]} - set(keep)

    def name(token: str) -> str:
        return _HIDDEN + token if token in hidden else token

    # What is no special token is found even where special ones are not.
    state["added_tokens"] = [
        {**token, "content": name(token["content"]), "special": token["special"] and token["content"] not in keep}
        for token in state["added_tokens"]
    ]
    state["model"] = _renamed(state["model"], name)
    reader = copy.copy(processor)
    reader._tokenizer = Tokenizer.from_str(json.dumps(state))
    return reader


def _found_anyway(processor: Any) -> bool:
    """Whether the model finds a special token in a text in which it is not to be looked for."""
    special = {token: processor.convert_tokens_to_ids(token) for token in processor.all_special_tokens}
    special.pop(processor.unk_token, None)  # which also stands for what is not known
    if not special:
        return False
    encoded = processor(list(special), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return any(set(special.values()) & set(ids) for ids in encoded)


def _renamed(model: dict[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        renamed: Any = {name(token): number for token, number in vocabulary.items()}
    else:
        renamed = [[name(token), score] for token, score in vocabulary]
    unknown = model.get("unk_token")
    return {**model, "vocab": renamed, **({"unk_token": name(unknown)} if unknown else {})}
