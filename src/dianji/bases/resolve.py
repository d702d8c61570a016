"""From what a recipe says about a base to where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

from dianji.bases.base import BaseSource, Modality
from dianji.bases.folder import FolderBase
from dianji.bases.hub import HubBase
from dianji.bases.scratch import Architecture, ScratchBase
from dianji.errors import BaseError, RecipeError, did_you_mean
from dianji.registry import REGISTRY
from dianji.spec.sections import NewBase

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def resolve(spec: str | NewBase, modality: Modality, *, seed: int = 0) -> BaseSource:
    """A registered base, a folder, a Hub id (``org/name``), or a new architecture for ``modality``.

    A name wins over a folder of the same name; write ``./name`` for the folder.

    Raises:
        BaseError: the text is none of these.
        RecipeError: the architecture or its arguments are unknown.
    """
    if isinstance(spec, NewBase):
        return ScratchBase(_architecture(spec, modality), seed)
    if spec in REGISTRY.names("base"):
        source: BaseSource = REGISTRY.build("base", spec, {})
        return source
    path = Path(spec).expanduser()
    if path.is_dir() or path.is_absolute() or spec.startswith(("./", "../", "~")):
        return FolderBase(path, modality)
    if _HUB_ID.fullmatch(spec):
        return HubBase(spec, modality)
    if path.exists():
        return FolderBase(path, modality)  # a file: the folder's own checks say what was expected
    raise _unknown(spec)


def _architecture(spec: NewBase, modality: Modality) -> Architecture:
    architecture: Architecture = REGISTRY.build("architecture", spec.new, spec.arguments)
    if architecture.modality != modality:
        raise RecipeError(wrong_modality(spec.new, modality))
    return architecture


def architectures(modality: Modality) -> list[str]:
    """The registered architectures for a modality."""
    return [name for name, cls in REGISTRY.names("architecture").items() if cls.modality == modality]


def wrong_modality(name: str, modality: Modality) -> str:
    """The fault of an architecture that does not read what a task reads."""
    made_for = REGISTRY.get("architecture", name).modality
    return (
        f"architecture '{name}' is for {made_for}, and the task works on {modality}. "
        f"For {modality}: {', '.join(architectures(modality)) or 'none'}."
    )


def _unknown(spec: str) -> BaseError:
    return BaseError(
        f"there is no base '{spec}': it is no registered base, and no folder of this name is here. "
        f"{did_you_mean(spec, REGISTRY.names('base'))} A folder is written as its path, a model of the "
        "Hugging Face Hub as org/name. To work offline, copy the model's folder to this machine and give its path."
    )
