"""Plain and ragged arrays as the tensors of a safetensors file, which knows neither lists nor text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dianji.evaluate.ragged import Entries, Ragged

_VALUES, _OFFSETS = "@values", "@offsets"


def flattened(arrays: Mapping[str, Entries]) -> dict[str, np.ndarray]:
    """A ragged array becomes two tensors, its values and its offsets."""
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if isinstance(array, Ragged):
            found |= {f"{name}{_VALUES}": np.ascontiguousarray(array.values), f"{name}{_OFFSETS}": array.offsets}
        else:
            found[name] = np.ascontiguousarray(array)
    return found


def restored(tensors: Mapping[str, np.ndarray]) -> dict[str, Entries]:
    """Inverse of ``flattened``.

    Raises:
        KeyError: values without offsets.
    """
    found: dict[str, Entries] = {}
    for name, tensor in tensors.items():
        if name.endswith(_VALUES):
            bare = name.removesuffix(_VALUES)
            found[bare] = Ragged(tensor, tensors[f"{bare}{_OFFSETS}"])
        elif not name.endswith(_OFFSETS):
            found[name] = tensor
    return found
