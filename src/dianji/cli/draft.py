"""A first recipe for inspected data: it runs as it stands, and its comments name alternatives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dianji.bases.starters import Starter
from dianji.data.inspect import Inspection
from dianji.pipeline import sketch

_PLAIN = re.compile(r"(\.{1,2}/)*[^\W\d_][\w./-]*")
_MEANT_OTHERWISE = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def draft(seen: Inspection, recipe: Path) -> str:
    """The text of a recipe that is to lie at ``recipe``.

    Raises:
        DataError: there is nothing in the data that a task could learn from.
    """
    sketch.require_learnable(seen)
    if sketch.has_labelled_images(seen):
        lines = [*_IMAGE_BASE, *_data(seen, recipe), *_IMAGE_STAGE]
    elif sketch.converses(seen):
        lines = [*_chat_base(), *_data(seen, recipe), *_CHAT_STAGE]
    elif sketch.writes(seen):
        lines = [*_WRITING_BASE, *_data(seen, recipe), *_writing_stage(seen)]
    else:
        lines = [*_text_base(seen), *_data(seen, recipe), *_text_stages(seen)]
    return "\n".join([*_head(seen, recipe), *lines]) + "\n"


def starter(seen: Inspection) -> Starter | None:
    """The registered base that the recipe starts from; None: a new network.

    English recipes name theirs even if its weights are not installed yet. The larger one for other languages is named
    where it is installed.
    """
    found = sketch.starter(seen)
    return found if found is not None and (found.is_installed or sketch.language(seen) == "en") else None


def missing(seen: Inspection) -> Starter | None:
    """The registered base for the texts if its weights are not installed."""
    found = sketch.starter(seen)
    return None if found is None or found.is_installed else found


def _head(seen: Inspection, recipe: Path) -> Iterator[str]:
    yield f"# A first recipe for {_comment(Path(seen.path).name)}: {seen.rows:,} rows of {seen.format}."
    yield f"#   dianji check {_comment(recipe.name)}    finds every fault and shows the plan"
    yield f"#   dianji run {_comment(recipe.name)}      does it; interrupted, the same command goes on"
    yield f"name: {_scalar(sketch.project_name(seen))}"
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


_CHAT_STAGE = """
stages:
  chat:
    task: instruction-tuning  # learns the assistant's turns; several rows in one: {instruction-tuning: {packing: true}}
    data: rows
    # adapt: {lora: {rank: 8}}  # learn few weights; default: all of them
    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights
# Afterwards: dianji chat ARTEFACT
""".splitlines()


def _chat_base() -> Iterator[str]:
    yield "# A new model, which knows nothing but these rows. If you have a pre-trained causal language model, give its"
    yield "# folder or Hub id instead: its chat template is used."
    yield "# Its tokenizer is bpe, which can write every text as it was; others lose case or spaces."
    yield "base: {new: transformer, tokenizer: bpe, length: 512}"


_WRITING_BASE = """\
# A new encoder-decoder with a tokenizer for both sides. A pre-trained one: a folder or the Hub id of a T5, BART or
# Marian model. Figures of written text need: pip install "dianji[text]"
base: {new: seq2seq}
""".splitlines()


def _writing_stage(seen: Inspection) -> Iterator[str]:
    yield ""
    yield "stages:"
    yield "  write:"
    yield f"    task: {{text-to-text: {{use: {sketch.purpose(seen)}}}}}  # or translation, summary, other"
    yield "    data: rows"
    yield "    # train: {epochs: 20}  # the default for a new model"
    yield "    techniques: [ema]  # the finished model is an average over the last steps"


def _text_base(seen: Inspection) -> Iterator[str]:
    if (known := starter(seen)) is not None:
        yield f"# {known.description}; its weights: {known.weights.installation}."
        yield "# Others: dianji list bases, a folder, or the Hub id of a text model."
        yield f"base: {known.card.name}"
        return
    reader = sketch.new_reader(seen)
    texts = "; the first stage teaches it from the texts alone" if seen.text is not None else ""
    yield f"# A new model (language: {sketch.language(seen)}){texts}."
    if (known := missing(seen)) is not None:
        yield f"# {known.description}, which usually does better: {known.weights.installation}"
        yield f"# Then write base: {known.card.name}{', and leave the first stage out' if texts else ''}."
    yield "# If you have a pre-trained model, give its folder or Hub id instead."
    yield f"base: {{new: transformer, tokenizer: {reader['tokenizer']}, length: {reader['length']}}}"


def _data(seen: Inspection, recipe: Path) -> Iterator[str]:
    section = sketch.data_section(seen, recipe)
    mapped = ", ".join(f"{task}: {_mapped(column)}" for task, column in section["columns"].items())
    yield ""
    yield "data:"
    yield "  rows:"
    yield f"    path: {_scalar(section['path'])}  # from this file's folder"
    yield f"    columns: {{{mapped}}}  # what the task calls a column: what the data calls it"
    if "clean" in section:
        yield "    clean: {drop_empty: true}  # rows without an input or a label are left out, and counted"
    yield from _split(seen, section.get("split", {}))


def _split(seen: Inspection, split: dict[str, Any]) -> Iterator[str]:
    given = [f"{count:,} {name}" for name, count in seen.splits.items()]
    if given:
        yield f"    # The data comes divided: {', '.join(given)}. Missing splits are taken from the training rows."
    if not split:
        return
    values = ", ".join(f"{key}: {_scalar(value) if isinstance(value, str) else value}" for key, value in split.items())
    yield f"    split: {{{values}}}"
    if seen.group and "group" in split:
        yield "    # group: rows with the same value never stand in two splits; without it labels keep their shares"
    if seen.time:
        yield f"    # To train on the past and test on the future: split: {{time: {_scalar(seen.time)}}}"


def _text_stages(seen: Inspection) -> Iterator[str]:
    yield ""
    yield "stages:"
    tagged, asks, relates = sketch.tagged(seen), sketch.asks(seen), sketch.relates(seen)
    measures = sketch.measures(seen)
    unlabelled = seen.label is None and not tagged and not asks and not relates and not measures
    known = starter(seen)
    if "tokens" not in tagged and (known is None or unlabelled):
        yield "  domain:"
        yield "    task: masked-language  # learns the language of the texts; needs no labels"
        yield "    data: rows"
        yield f"    train: {{epochs: {10 if known is None else 3}}}"
    if asks:
        yield "  answer:"
        yield "    task: question-answering  # finds the passage, or says that there is none"
        yield "    data: rows"
        yield "    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights"
    elif relates:
        ((task, arguments),) = sketch.embedding(seen).items()
        yield "  embed:"
        yield f"    task: {{{task}: {{form: {arguments['form']}}}}}  # learns vectors that are close for related texts"
        if arguments["form"] == "scored-pairs":
            yield "    # To judge two texts together, slower and more exact: task: {text-regression: {pair: true}}"
        yield "    data: rows"
        yield "    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights"
    elif measures:
        yield "  measure:"
        yield f"    task: {_written(sketch.supervised_task(seen))}  # with scale: [0, 5] others are refused"
        yield "    data: rows"
        yield "    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights"
    elif tagged:
        yield "  tag:"
        yield "    task: sequence-tagging  # learns how tags follow each other too: {sequence-tagging: {crf: true}}"
        yield "    data: rows"
        yield "    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights"
    if seen.label is not None:
        yield "  classify:"
        told = "  # reads both texts together" if sketch.compares(seen) else ""
        yield f"    task: {_written(sketch.supervised_task(seen))}{told}"
        yield "    data: rows"
        yield "    # adapt: {lora: {rank: 8}}  # learn few weights; default: all of them"
        yield "    # train: {epochs: 6, learning_rate: 2.0e-4}  # defaults follow the base and the adaptation"
        yield "    techniques: [early-stopping]  # stops when validation gets no better, and keeps the best weights"


def _written(task: str | dict[str, Any] | None) -> str:
    """A task with arguments that are true, as YAML."""
    if not isinstance(task, dict):
        return str(task)
    ((name, arguments),) = task.items()
    return f"{{{name}: {{{', '.join(f'{key}: true' for key in arguments)}}}}}"


def _mapped(column: str | list[str]) -> str:
    return _scalar(column) if isinstance(column, str) else f"[{', '.join(map(_scalar, column))}]"


def _scalar(text: str) -> str:
    """Text as YAML: plain where that is read back as the same text, else in quotes, which JSON's also are in YAML."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _MEANT_OTHERWISE
    return text if plain else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    return " ".join(text.split())
