"""What is refused before anything of a base folder is opened, and why."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import dianji.bases.models  # noqa: F401  # registers our own architectures
from dianji.bases.base import Card
from dianji.errors import BaseError, RecipeError
from dianji.registry import REGISTRY

CONFIG = "config.json"

#: Files that may name Python code to run (``auto_map``).
_MAY_NAME_CODE = (CONFIG, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")

_WORDS = {"text": "text", "image": "images", "audio": "sound"}


def require_modality(card: Card, modality: str, task: str) -> None:
    """Refuse a base that was made for something else than the task works on.

    Raises:
        RecipeError: says what the task needs and what the base is.
    """
    if not card.offers(modality):
        wanted, offered = (_WORDS.get(name, name) for name in (modality, card.modality))
        raise RecipeError(
            f"task '{task}' works on {wanted}, but base '{card.name}' ({card.architecture}) was made for {offered}. "
            f"Choose a base for {wanted}, or another task."
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's ``config.json`` after everything that makes a folder unfit to be opened has been refused.

    Raises:
        BaseError: missing folder or file, broken JSON, remote code, quantised weights, unknown architecture.
    """
    _require_folder(folder)
    if not (folder / CONFIG).is_file():
        raise _no_config(folder)
    config = read_json(folder / CONFIG)
    for name in _MAY_NAME_CODE:
        if (folder / name).is_file() and read_json(folder / name).get("auto_map"):
            raise _remote_code(folder / name, "auto_map")
    _refuse_detours(folder, config)
    _require_known(folder, config)
    return config


def read_json(file: Path) -> dict[str, Any]:
    """A JSON file that holds a mapping.

    Raises:
        BaseError: it does not.
    """
    try:
        value = json.loads(file.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise BaseError(
            f"{file}, line {error.lineno}: not valid JSON ({error.msg}). Copy or download the file again."
        ) from None
    except UnicodeDecodeError:
        raise BaseError(
            f"{file}: expected JSON in UTF-8, found other bytes. Copy or download the file again."
        ) from None
    if not isinstance(value, dict):
        raise BaseError(
            f"{file}: expected a JSON mapping, found a {type(value).__name__}. Copy or download the file again."
        )
    return value


def _require_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    found = "a file" if folder.exists() else "nothing"
    near = difflib.get_close_matches(folder.name, _siblings(folder), n=1)
    hint = f" Did you mean '{folder.parent / near[0]}'?" if near else ""
    raise BaseError(
        f"base folder {folder} cannot be opened: expected a folder with {CONFIG}, found {found}.{hint} Check the path."
    )


def _siblings(folder: Path) -> list[str]:
    return [item.name for item in folder.parent.iterdir() if item.is_dir()] if folder.parent.is_dir() else []


def _no_config(folder: Path) -> BaseError:
    if (folder / "adapter_config.json").is_file():
        return BaseError(
            f"base folder {folder} holds an adapter only (adapter_config.json, no {CONFIG}). Load its base with peft, "
            "call merge_and_unload(), save_pretrained() to a new folder with the tokenizer, and start from that one."
        )
    found = ", ".join(sorted(item.name for item in folder.iterdir())[:8]) or "an empty folder"
    return BaseError(
        f"base folder {folder} has no {CONFIG}; expected a Hugging Face model folder, found {found}. Check the path."
    )


def _refuse_detours(folder: Path, config: dict[str, Any]) -> None:
    """Entries by which transformers would read weights or code from elsewhere."""
    attention = config.get("attn_implementation") or config.get("_attn_implementation")
    if isinstance(attention, str) and "/" in attention:
        raise _remote_code(folder / CONFIG, "attn_implementation")
    if config.get("transformers_weights"):
        raise BaseError(
            f"{folder / CONFIG}: 'transformers_weights' points to weights under another name. Rename the file to "
            "model.safetensors and remove the entry."
        )
    if config.get("quantization_config"):
        raise BaseError(
            f"{folder / CONFIG}: the weights are quantised, and Dianji trains in full precision. "
            "Start from the unquantised folder of the same model."
        )
    if (folder / "adapter_config.json").is_file():
        raise BaseError(
            f"base folder {folder} holds a model and an adapter beside it; it is not clear which of the two is meant. "
            "Merge them with peft's merge_and_unload(), or remove adapter_config.json."
        )


def _remote_code(file: Path, entry: str) -> BaseError:
    return BaseError(
        f"{file}: '{entry}' asks for Python code from outside transformers to be run, which Dianji never does. "
        "Choose an architecture that transformers knows; if it knows this one by now, save the model again with it."
    )


def _require_known(folder: Path, config: dict[str, Any]) -> None:
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise BaseError(f"{folder / CONFIG}: 'model_type' is missing, so the architecture is not known. Add it.")
    if kind not in CONFIG_MAPPING:
        REGISTRY.discover("architecture")  # a plug-in may bring it
    if kind not in CONFIG_MAPPING:
        close = difflib.get_close_matches(kind, list(CONFIG_MAPPING), n=5, cutoff=0.5)
        hint = f"Close ones: {', '.join(close)}. " if close else ""
        raise BaseError(
            f"{folder / CONFIG}: the installed transformers has no architecture '{kind}'. {hint}"
            "Correct 'model_type', or install the transformers version that the model was made with."
        )
