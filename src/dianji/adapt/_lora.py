"""LoRA's dealings with peft: which layers, how to merge, how to save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from dianji.adapt.layers import find_stack, trunk_of
from dianji.errors import CapabilityError, did_you_mean
from dianji.tasks.base import TaskModel

if TYPE_CHECKING:
    from peft import LoraConfig

LINEAR = (nn.Linear, Conv1D)
CONVOLUTION = (nn.Conv1d, nn.Conv2d)

#: transformers' model_type -> layers, where peft's own table has no entry. Query and value, as in the paper.
ATTENTION = {
    "albert": ("query", "value"),
    "beit": ("q_proj", "v_proj"),
    "camembert": ("query", "value"),
    "deit": ("q_proj", "v_proj"),
    "dinov2": ("q_proj", "v_proj"),
    "distilbert": ("q_lin", "v_lin"),
    "ernie": ("query", "value"),
    "modernbert": ("Wqkv",),
    "mpnet": ("q", "v"),
    "swin": ("q_proj", "v_proj"),
    "vit": ("q_proj", "v_proj"),
}


def layers_to_adapt(model: TaskModel, targets: tuple[str, ...] | None) -> dict[str, nn.Module]:
    """The layers that get parts, by their path in the trunk; never any of the head.

    Raises:
        CapabilityError: no layer fits.
    """
    trunk = trunk_of(model.model)
    prefix = "backbone." if trunk is not model.model else ""
    known = {name: m for name, m in trunk.named_modules() if _can_adapt(m) and not model.is_head(prefix + name)}
    if targets is not None:
        return _asked_for(known, targets, type(trunk).__name__)
    model_type = str(getattr(trunk.config, "model_type", ""))
    usual = _named(known, _usual_targets(model_type))
    if usual:
        return usual
    inside = (find_stack(model).name + ".").removeprefix(prefix)
    stack = {name: layer for name, layer in known.items() if name.startswith(inside)}
    for kinds in (LINEAR, CONVOLUTION):
        found: dict[str, nn.Module] = {name: layer for name, layer in stack.items() if isinstance(layer, kinds)}
        if found:
            return found
    raise CapabilityError(
        f"lora: {type(trunk).__name__} has no layer to adapt. Looked for the attention of '{model_type}', then for "
        f"linear layers, then for convolutions in '{inside}*'. Name layers under lora.targets, or use adapt: full."
    )


def keep_dilation(trunk: PreTrainedModel) -> None:
    """Let the parts of a dilated convolution reach as far as it does; peft makes them without dilation."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for layer in trunk.modules():
        if isinstance(layer, BaseTunerLayer) and isinstance(base := layer.get_base_layer(), CONVOLUTION):
            parts: Any = layer.lora_A
            for part in parts.values():
                part.dilation = base.dilation


def merge(trunk: PreTrainedModel) -> None:
    """Replace every adapted layer by its merged base layer, in place.

    Raises:
        CapabilityError: a merged weight would not be a number.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for path, layer in list(trunk.named_modules()):
        if not isinstance(layer, BaseTunerLayer):
            continue
        base = layer.get_base_layer()
        dtype = base.weight.dtype
        layer.float()  # the sum is taken in fp32 even where weights are kept in less
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise CapabilityError(
                f"lora: '{path}' cannot be merged: {error}. Train again with a lower learning rate."
            ) from None
        parent, _, leaf = path.rpartition(".")
        setattr(trunk.get_submodule(parent), leaf, base.to(dtype))
    if hasattr(trunk, "peft_config"):
        del trunk.peft_config


def save(trunk: PreTrainedModel, folder: Path) -> None:
    """Write peft's two files. Whatever else in ``trunk`` learns is its head and goes with them."""
    from peft import get_peft_model_state_dict

    state = trunk.state_dict()
    adapter = get_peft_model_state_dict(trunk, state_dict=state, save_embedding_layers=False)
    heads = _learning_modules(trunk)
    head = {name: tensor for name, tensor in state.items() if any(name.startswith(module + ".") for module in heads)}
    folder.mkdir(parents=True, exist_ok=True)
    # Cloned, because safetensors refuses a tensor that is tied to another one.
    tensors = {f"base_model.model.{name}": tensor.detach().cpu().clone() for name, tensor in (adapter | head).items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.dumps(_config(trunk, heads), indent=2, sort_keys=True)
    (folder / "adapter_config.json").write_text(config + "\n", encoding="utf-8")


def _config(trunk: PreTrainedModel, heads: list[str]) -> dict[str, Any]:
    config = cast("LoraConfig", trunk.peft_config["default"])
    written: dict[str, Any] = config.to_dict()
    origin = str(getattr(trunk.config, "_name_or_path", "") or "")
    # A path on this machine would mean nothing, or something else, where the folder is opened.
    written["base_model_name_or_path"] = origin if origin and not Path(origin).exists() else None
    kind = type(trunk)
    written |= {"inference_mode": True, "modules_to_save": heads or None}
    # By this AutoPeftModel knows what to open the base as.
    written["auto_mapping"] = {"base_model_class": kind.__name__, "parent_library": kind.__module__}
    return {key: sorted(value) if isinstance(value, set) else value for key, value in written.items()}


def _learning_modules(trunk: PreTrainedModel) -> list[str]:
    """Paths of the outermost modules that hold learning weights which are not LoRA's."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = tuple(f"{path}." for path, layer in trunk.named_modules() if isinstance(layer, BaseTunerLayer))
    paths = {
        name.rpartition(".")[0]
        for name, parameter in trunk.named_parameters()
        if parameter.requires_grad and not name.startswith(adapted)
    }
    return sorted(path for path in paths if not any(path.startswith(other + ".") for other in paths))


def _usual_targets(model_type: str) -> tuple[str, ...]:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as PEFTS

    names = ATTENTION.get(model_type) or PEFTS.get(model_type, ())
    # A pattern stands for a composite model, of which the trunk would be one part.
    return () if isinstance(names, str) else tuple(names)


def _asked_for(known: dict[str, nn.Module], targets: tuple[str, ...], trunk: str) -> dict[str, nn.Module]:
    for target in targets:
        if not _named(known, (target,)):
            leaves = {name.rpartition(".")[2] for name in known}
            raise CapabilityError(
                f"lora: targets: '{target}' is no linear, convolution or embedding layer of {trunk} outside the head. "
                f"{did_you_mean(target, leaves)}"
            )
    return _named(known, targets)


def _named(known: dict[str, nn.Module], names: tuple[str, ...]) -> dict[str, nn.Module]:
    return {path: layer for path, layer in known.items() if any(f".{path}".endswith(f".{name}") for name in names)}


def _can_adapt(layer: nn.Module) -> bool:
    # Low-rank parts of a grouped (depthwise) convolution are not low-rank, and peft refuses most of them.
    grouped = isinstance(layer, CONVOLUTION) and layer.groups > 1
    return isinstance(layer, (*LINEAR, *CONVOLUTION, nn.Embedding)) and not grouped
