"""What an architecture reads: text, images, sound, or what a plug-in's configuration names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transformers import PretrainedConfig
from transformers.models.auto import modeling_auto

from dianji.bases.base import Modality
from dianji.bases.quiet import quiet


def modality_of(config: PretrainedConfig) -> Modality:
    """The main modality of the architecture; empty where nothing says it.

    A configuration class may declare ``modality``, as those of plug-ins do whose models no Auto class knows. Otherwise
    transformers' model class tells it (``input_modalities``, the main one first).
    """
    declared = getattr(type(config), "modality", None)
    if isinstance(declared, str):
        return declared
    return next(iter(_inputs(type(config))), "")


def towers(config: PretrainedConfig, weights: Iterable[str]) -> Mapping[Modality, PretrainedConfig]:
    """Models inside a model that read another modality alone, such as the text tower of CLIP.

    Only those count that transformers opens from the same folder and whose ``weights`` are there: a fine-tuned image
    classifier has the configuration of its text tower, but not the weights.
    """
    names, main = list(weights), modality_of(config)
    found: dict[Modality, PretrainedConfig] = {}
    for field in getattr(config, "sub_configs", {}):
        inner = getattr(config, field, None)
        if not isinstance(inner, PretrainedConfig) or type(inner) not in modeling_auto.MODEL_MAPPING:
            continue
        modality, prefix = modality_of(inner), field.removesuffix("_config") + "_model."
        if modality and modality != main and any(name.startswith(prefix) for name in names):
            found.setdefault(modality, inner)
    return found


def _inputs(kind: type[PretrainedConfig]) -> tuple[str, ...]:
    """``input_modalities`` of the first model class that transformers has for the configuration."""
    for mapping in _mappings():
        if kind in mapping:
            with quiet():
                model: Any = mapping[kind]
            stated = getattr(model[0] if isinstance(model, tuple) else model, "input_modalities", ())
            return (stated,) if isinstance(stated, str) else tuple(stated)
    return ()


def _mappings() -> list[Any]:
    """The model without a head first, then all models with one."""
    names = [name for name in vars(modeling_auto) if name.startswith("MODEL_FOR_") and name.endswith("_MAPPING")]
    return [modeling_auto.MODEL_MAPPING, *(getattr(modeling_auto, name) for name in sorted(names))]
