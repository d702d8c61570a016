"""What a model folder says of itself: config.json, the README's front matter, a sentence-transformers chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PretrainedConfig

import dianji.bases.models  # noqa: F401  # registers our own architectures
from dianji.bases.base import Card, Modality, Pooling
from dianji.bases.checks import CONFIG, read_config, read_json
from dianji.bases.modalities import modality_of, towers
from dianji.bases.processor import processor_for, require_processor
from dianji.bases.quiet import quiet
from dianji.bases.weights import weight_names
from dianji.errors import BaseError
from dianji.registry import REGISTRY

_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "first"}
#: Before sentence-transformers 6 each mode had a switch of its own.
_OLD_POOLINGS: dict[str, Pooling] = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}


def read_card(folder: Path, modality: Modality = "") -> Card:
    """Everything is read except the weights, whose headers are compared with the files' sizes.

    With ``modality``, the card is that of the part of the model that reads it, where there is one: of CLIP's text
    tower for ``text``.

    Raises:
        BaseError: the folder is not one that Dianji opens.
    """
    raw = read_config(folder)
    whole = open_config(folder)
    main = _modality(folder, whole)
    parts = towers(whole, weight_names(folder))
    modality = modality if modality in parts else main
    config = parts.get(modality, whole)
    processor = processor_for(modality)
    if not processor:
        raise _no_processor(folder, config.model_type, modality)
    require_processor(folder, processor)
    front = _front_matter(folder / "README.md")
    return Card(
        name=folder.name,
        modality=modality,
        architecture=config.model_type,
        width=_width(folder, config),
        pretrained=True,
        pooling=_pooling(folder),
        licence=str(front.get("license") or "unknown"),
        languages=_texts(front.get("language")),
        source=next(iter(_texts(front.get("base_model"))), ""),
        processor=processor,
        modalities=tuple(sorted({main, *parts} - {modality})),
        labels=_labels(raw, config),
        prompts=_prompts(folder),
    )


def open_config(folder: Path) -> PretrainedConfig:
    """The folder's configuration as transformers understands it.

    Raises:
        BaseError: a value has the wrong type or is impossible.
    """
    try:
        with quiet():
            config: PretrainedConfig = AutoConfig.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise BaseError(
            f"{folder / CONFIG}: transformers cannot use this configuration: {reason}. Correct it."
        ) from error
    return config


def part_config(folder: Path, modality: Modality) -> PretrainedConfig:
    """The configuration of the part of a folder's model that reads ``modality``; the whole one's if there is none.

    Raises:
        BaseError: see ``open_config``.
    """
    config = open_config(folder)
    if not getattr(config, "sub_configs", {}):  # so that a new base, which a run keeps without weights, opens again
        return config
    return towers(config, weight_names(folder)).get(modality, config)


def _modality(folder: Path, config: PretrainedConfig) -> Modality:
    if modality := modality_of(config):
        return modality
    raise BaseError(
        f"base folder {folder}: transformers does not say what the architecture '{config.model_type}' reads, and its "
        "configuration class has no 'modality'. Choose another base, or declare it in the plug-in that brings the "
        "architecture."
    )


def _no_processor(folder: Path, architecture: str, modality: Modality) -> BaseError:
    known = ", ".join(sorted({cls.modality for cls in REGISTRY.names("processor").values()}))
    return BaseError(
        f"base folder {folder}: architecture '{architecture}' reads '{modality}', for which no processor is "
        f"registered; there are processors for {known}. Choose another base, or install the plug-in for it."
    )


def _width(folder: Path, config: PretrainedConfig) -> int:
    config = config.get_text_config()
    for name in ("hidden_size", "d_model", "num_features"):
        if isinstance(value := getattr(config, name, None), int):
            return value
    sizes = getattr(config, "hidden_sizes", None) or getattr(config, "embed_dims", None)
    if sizes:
        return int(sizes[-1])
    raise BaseError(
        f"{folder / CONFIG}: the width of '{config.model_type}' cannot be told: it has no hidden_size. Add it."
    )


def _labels(raw: dict[str, Any], config: PretrainedConfig) -> tuple[str, ...]:
    """Empty unless the saved model is a classifier: every configuration has two placeholder labels."""
    architectures = raw.get("architectures") or [""]
    if not str(architectures[0]).endswith("Classification") or not raw.get("id2label"):
        return ()
    labels = {int(number): str(label) for number, label in (config.id2label or {}).items()}
    return tuple(labels[number] for number in sorted(labels))


def _pooling(folder: Path) -> Pooling:
    """From ``1_Pooling/config.json`` of a sentence-transformers chain; anything else is left to the architecture."""
    file = folder / "1_Pooling" / "config.json"
    if not (folder / "modules.json").is_file() or not file.is_file():
        return "native"
    config = read_json(file)
    if isinstance(mode := config.get("pooling_mode"), str):
        return _POOLINGS.get(mode, "native")
    active = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    return _OLD_POOLINGS.get(active[0], "native") if len(active) == 1 else "native"


def _prompts(folder: Path) -> tuple[tuple[str, str], ...]:
    """From ``config_sentence_transformers.json``; the default prompt goes by the name ``query``."""
    file = folder / "config_sentence_transformers.json"
    if not file.is_file():
        return ()
    config = read_json(file)
    given = config.get("prompts") or {}
    prompts = {str(name): str(prompt) for name, prompt in given.items() if prompt} if isinstance(given, dict) else {}
    if (default := prompts.get(str(config.get("default_prompt_name")))) is not None:
        prompts["query"] = default
    return tuple(sorted(prompts.items()))


def _front_matter(file: Path) -> dict[str, Any]:
    """The YAML between the two ``---`` lines of a model card; empty where there is none that can be read."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}  # a card is a courtesy: a folder without one, or with a broken one, still works
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}
    try:
        found = yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
