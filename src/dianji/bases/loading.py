"""Base.load: the model that an Auto class makes of a base."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import PretrainedConfig, PreTrainedModel

import dianji.bases.models  # noqa: F401  # registers our own architectures with the Auto classes
from dianji.bases.quiet import quiet
from dianji.bases.weights import weight_files
from dianji.errors import BaseError, CapabilityError, did_you_mean

if TYPE_CHECKING:
    from dianji.bases.base import Base

#: Backbone weights that checkpoints leave out because the objective they were trained with does not use them.
_OPTIONAL = ("pooler", "mask_token", "position_ids")


def load(base: Base, auto: Any, overrides: dict[str, Any]) -> PreTrainedModel:
    """See ``Base.load``.

    Raises:
        BaseError: the weights are damaged or do not fit the configuration.
        CapabilityError: the architecture has no model of this kind.
    """
    config = _config(base, overrides)
    mapping = getattr(auto, "_model_mapping", None)
    if mapping is not None and type(config) not in mapping:
        raise CapabilityError(
            f"base '{base.card.name}': transformers has no {auto.__name__} for the architecture '{config.model_type}'. "
            "Choose another base, or a task that this one can do."
        )
    base.new_weights.clear()
    with quiet():
        model = _build(auto, config) if base.folder is None else _open(base, base.folder, auto, config)
    if base.folder is None:
        base.new_weights.extend(name for name, _ in model.named_parameters())
    model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it unannotated
    return model


def name_trunk(model: PreTrainedModel) -> None:
    """Let ``base_model`` find the backbone of a headed model whose class names one that it does not have.

    Such as CLIP's image classifier, which says ``clip`` and has ``vision_model``. The backbone is its one part that is
    a model of transformers itself.
    """
    if model.base_model is not model:
        return
    parts = dict(model.named_children())
    trunks = [name for name, part in parts.items() if isinstance(part, PreTrainedModel)]
    if len(trunks) == 1 and len(parts) > 1:
        model.base_model_prefix = trunks[0]


def _config(base: Base, overrides: dict[str, Any]) -> PretrainedConfig:
    config = copy.deepcopy(base.config)
    for name, value in overrides.items():
        if not hasattr(config, name):
            raise CapabilityError(
                f"base '{base.card.name}': the configuration of '{config.model_type}' has no '{name}'. "
                f"{did_you_mean(name, config.to_dict())}"
            )
        setattr(config, name, value)
    return config


def _build(auto: Any, config: PretrainedConfig) -> PreTrainedModel:
    make = auto.from_config if hasattr(auto, "from_config") else auto._from_config
    model: PreTrainedModel = make(config, dtype=torch.float32)
    name_trunk(model)
    return model


def _open(base: Base, folder: Path, auto: Any, config: PretrainedConfig) -> PreTrainedModel:
    weight_files(folder)  # says better than transformers which file is missing or damaged
    model: PreTrainedModel
    try:
        model, report = auto.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # a head for other labels is drawn anew; _check refuses it in the backbone
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise BaseError(
            f"base folder {folder}: the weights cannot be opened as {auto.__name__}: {reason[:400]}. "
            "Copy or download the folder again."
        ) from error
    name_trunk(model)
    missing, mismatched = set(report["missing_keys"]), {entry[0] for entry in report["mismatched_keys"]}
    _check(base, model, missing, mismatched)
    base.new_weights.extend(sorted(missing | mismatched))
    return model


def _check(base: Base, model: PreTrainedModel, missing: set[str], mismatched: set[str]) -> None:
    """Refuse new weights in the middle of the backbone: they would make a pretrained base a half-random one."""
    absent = sorted(name for name in missing if _in_backbone(model, name) and not is_optional(name))
    wrong = sorted(name for name in mismatched if _in_backbone(model, name))
    if not absent and not wrong:
        return
    what = f"{len(absent)} are missing" if absent else f"{len(wrong)} have another shape"
    raise BaseError(
        f"base folder {base.folder}: the weights do not fit config.json: {what}, among them "
        f"{', '.join((absent or wrong)[:3])}. config.json and the weights must be of the same model; copy both again."
    )


def _in_backbone(model: PreTrainedModel, name: str) -> bool:
    prefix = model.base_model_prefix
    return model.base_model is model or (bool(prefix) and name.startswith(prefix + "."))


def is_optional(name: str) -> bool:
    """Whether a backbone may lack the weight: it plays no part in the hidden states."""
    return any(part in name.split(".") for part in _OPTIONAL)
