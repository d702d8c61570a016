"""Drafts a recipe for inspected data: its data section, the task, the language of a new base."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from dianji.bases.starters import Starter, starter_for
from dianji.data.inspect import Inspection
from dianji.errors import DataError

#: Languages written without spaces: read by character, not by word.
_BY_CHARACTER = frozenset({"zh", "ja"})


def require_learnable(seen: Inspection) -> None:
    """Refuse data that no task could learn from.

    Raises:
        DataError: there are neither texts nor labelled images.
    """
    if seen.text is None and not has_labelled_images(seen) and not tagged(seen) and not converses(seen):
        found = ", ".join(f"'{column.name}' ({column.kind})" for column in seen.columns)
        raise DataError(
            f"{seen.path}: neither text nor labelled images were found to learn from, only {found}. "
            "If a column was misjudged, name it: --column text=… or --column label=…"
        )


def has_labelled_images(seen: Inspection) -> bool:
    """Whether there are images with labels."""
    return seen.image is not None and seen.label is not None


def modality(seen: Inspection) -> Literal["text", "image"]:
    """The modality of the base."""
    return "image" if has_labelled_images(seen) else "text"


def language(seen: Inspection) -> str:
    """The commonest language's code without its script; ``und`` where none was recognised."""
    return seen.languages[0][0].partition("-")[0] if seen.languages else "und"


def starter(seen: Inspection) -> Starter | None:
    """The registered base for the texts; None where none reads their language, and for images and texts to write."""
    writing = writes(seen) or converses(seen)
    return None if writing or modality(seen) != "text" else starter_for(language(seen))


def tagged(seen: Inspection) -> dict[str, str]:
    """The columns of words with tags, or of texts with spans; empty where there are none, or rows have labels."""
    if seen.label is not None or has_labelled_images(seen):
        return {}
    if seen.tokens is not None and seen.tags is not None:
        return {"tokens": seen.tokens, "tags": seen.tags}
    if seen.text is not None and seen.spans is not None:
        return {"text": seen.text, "spans": seen.spans}
    return {}


def asks(seen: Inspection) -> dict[str, str]:
    """The columns of questions whose answers are passages of texts; empty where there are none, or rows have labels."""
    if seen.label is not None or None in (seen.question, seen.text, seen.answers):
        return {}
    return {"question": str(seen.question), "context": str(seen.text), "answers": str(seen.answers)}


def relates(seen: Inspection) -> dict[str, str]:
    """The columns of related texts; empty where there are none, or rows have labels."""
    return {} if seen.label is not None or has_labelled_images(seen) else dict(seen.related)


def embedding(seen: Inspection) -> dict[str, Any]:
    """The task for related texts."""
    form = "scored-pairs" if "score" in seen.related else "triplets" if "negative" in seen.related else "pairs"
    return {"sentence-embedding": {"form": form}}


def compares(seen: Inspection) -> dict[str, str]:
    """The columns of two texts whose relation a label tells; empty where there are none."""
    if seen.label is None or has_labelled_images(seen) or None in (seen.text, seen.other):
        return {}
    return {"text": str(seen.text), "other": str(seen.other)}


def measures(seen: Inspection) -> dict[str, str]:
    """The columns of texts, or of pairs of texts, with a number each; empty without them, or where rows have labels."""
    if seen.label is not None or seen.text is None or seen.number is None or asks(seen) or writes(seen):
        return {}
    other = {} if seen.other is None else {"other": seen.other}
    return {"text": seen.text, **other, "score": seen.number}


def converses(seen: Inspection) -> bool:
    """Whether rows are conversations whose answers are to be learnt."""
    return bool(seen.messages) and not has_labelled_images(seen)


def writes(seen: Inspection) -> bool:
    """Whether texts are to be written, given others."""
    return seen.target is not None and seen.label is None and not has_labelled_images(seen) and not converses(seen)


def several_labels(seen: Inspection) -> bool:
    """Whether a row may have more than one label."""
    return seen.label is not None and seen.column(seen.label).kind == "labels"


def project_name(seen: Inspection) -> str:
    """A name for the recipe, from the data's file."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(seen.path).stem).strip("-_.") or "project"


def data_section(seen: Inspection, recipe: Path) -> dict[str, Any]:
    """``path``, ``columns``, and where they are needed ``clean`` and ``split``.

    Args:
        seen: the data.
        recipe: where the recipe is to lie: its paths are taken from there.
    """
    relative = os.path.relpath(Path(seen.path).expanduser().absolute(), recipe.absolute().parent)
    if converses(seen):
        return _conversations(seen, Path(relative).as_posix())
    columns: dict[str, Any] = {"image": seen.image} if has_labelled_images(seen) else {"text": seen.text}
    found = asks(seen) or relates(seen) or tagged(seen) or measures(seen) or compares(seen)
    columns = {**(found or columns)}
    if asks(seen) and language(seen) != "en":
        columns["text"] = seen.text  # for a new base, which learns the language of the contexts first
    used = [str(name) for name in columns.values()]
    if seen.label is not None:
        columns["labels" if several_labels(seen) else "label"] = list(seen.parts(seen.label)) or seen.label
        used.append(seen.label)
    elif writes(seen):
        columns["target"] = seen.target
        used.append(str(seen.target))
    section: dict[str, Any] = {"path": Path(relative).as_posix(), "columns": columns}
    if any(seen.column(name).missing for name in used):
        section["clean"] = {"drop_empty": True}
    if not seen.splits and writes(seen):
        section["split"] = {"validation": 0.1, "test": 0.1, **({"group": seen.group} if seen.group else {})}
    elif not seen.splits and (seen.label is not None or found):
        section["split"] = {"validation": 0.1, "test": 0.2, **({"group": seen.group} if seen.group else {})}
    return section


def _conversations(seen: Inspection, path: str) -> dict[str, Any]:
    """The data section of conversations: of one column, or of several that stand for one."""
    columns = {"messages": seen.messages[0] if len(seen.messages) == 1 else list(seen.messages)}
    section: dict[str, Any] = {"path": path, "columns": columns}
    if any(seen.column(name).missing for name in (seen.messages[0], seen.messages[-1])):
        section["clean"] = {"drop_empty": True}
    if not seen.splits:
        section["split"] = {"validation": 0.1, "test": 0.1, **({"group": seen.group} if seen.group else {})}
    return section


def supervised_task(seen: Inspection) -> str | dict[str, Any] | None:
    """The task for the labels; None where there are none."""
    if has_labelled_images(seen):
        return "image-classification"
    if converses(seen):
        return "instruction-tuning"
    if asks(seen):
        return "question-answering"
    if relates(seen):
        return embedding(seen)
    if tagged(seen):
        return "sequence-tagging"
    if writes(seen):
        return {"text-to-text": {"use": purpose(seen)}}
    if measures(seen):
        return {"text-regression": {"pair": True}} if seen.other is not None else "text-regression"
    if seen.label is None:
        return None
    name = "text-pair-classification" if compares(seen) else "text-classification"
    return {name: {"several": True}} if several_labels(seen) else name


def purpose(seen: Inspection) -> str:
    """The task's ``use``: targets that are called summaries, or are far shorter than the texts, are summaries."""
    called = str(seen.target).lower()
    if called in ("summary", "highlights", "摘要"):
        return "summary"
    long, short = (seen.column(str(name)).characters.get("median", 1.0) for name in (seen.text, seen.target))
    return "summary" if long > 5 * short else "translation"


def new_reader(seen: Inspection) -> dict[str, Any]:
    """Arguments of a new text architecture: ``tokenizer``, and ``length`` in tokens that holds nearly every text."""
    tokenizer = "characters" if language(seen) in _BY_CHARACTER else "auto"
    characters = seen.column(str(seen.text or seen.tokens)).characters.get("p95", 128.0)
    # A word piece has about three characters; two tokens mark beginning and end.
    tokens = (characters if tokenizer == "characters" else characters / 3) + 2
    return {"tokenizer": tokenizer, "length": next((size for size in (32, 64, 128, 256) if tokens <= size), 512)}
