"""Dianji (奠基), "to lay a foundation": from raw data to a fine-tuned, evaluated and reproducible model.

    model = dianji.finetune("minilm", "intents.csv", task="text-classification", text="query", label="intent")
    model.predict(["where is my card?"])
    model.save("intent-model")

Public names are looked up when they are first used, so that importing the package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dianji.artefact.opened import Model
    from dianji.errors import (
        ArtefactError,
        BaseError,
        CapabilityError,
        DataError,
        DianjiError,
        GateError,
        RecipeError,
        ResumeError,
        StoreError,
        TrainingError,
    )
    from dianji.retrieval.opened import Index
    from dianji.spec.sections import Recipe
    from dianji.verbs import check, compare, diff, finetune, index, open, predict_file, run, search, show, verify

__version__ = "0.1.0"

__all__ = [
    "ArtefactError",
    "BaseError",
    "CapabilityError",
    "DataError",
    "DianjiError",
    "GateError",
    "Index",
    "Model",
    "Recipe",
    "RecipeError",
    "ResumeError",
    "StoreError",
    "TrainingError",
    "__version__",
    "check",
    "compare",
    "diff",
    "finetune",
    "index",
    "open",
    "predict_file",
    "run",
    "search",
    "show",
    "verify",
]

_HOMES = {
    "Recipe": "dianji.spec.sections",
    "Model": "dianji.artefact.opened",
    "Index": "dianji.retrieval.opened",
}
# ``evaluate`` is not among them: it is the name of a package here, so call ``dianji.verbs.evaluate``.
_VERBS = {"check", "compare", "diff", "finetune", "index", "open", "predict_file", "run", "search", "show", "verify"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dianji' has no attribute '{name}'")
    home = "dianji.verbs" if name in _VERBS else _HOMES.get(name, "dianji.errors")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value  # the next look-up finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
