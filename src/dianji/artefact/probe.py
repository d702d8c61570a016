"""The probe: a few inputs with their expected outputs, which any copy, export or server must reproduce."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import nn

from dianji.artefact import tensors as arrays
from dianji.artefact.synthetic import invented
from dianji.bases.base import Base
from dianji.data.columns.base import column_kind
from dianji.engine.evaluation import Evaluator
from dianji.engine.seeding import generator
from dianji.errors import ArtefactError, RecipeError
from dianji.evaluate.ragged import Entries, Ragged
from dianji.store.atomic import write_json
from dianji.tasks.base import MARGIN, Outputs, Task

ROWS = 32
#: Absolute, on probabilities and the like; relative for values above one. bf16 has 8 bits, fp16 11, and layers add up.
TOLERANCES: Mapping[str, float] = {"fp32": 1e-5, "bf16": 5e-2, "fp16": 1e-2}
TOLERANCE = TOLERANCES["fp32"]

#: A comparison of two numbers that differ by less than this may be decided by rounding: numbers of the size of logits,
#: each with the tolerance of fp32.
NEAR_TIE = 1e-3

_ADVICE = {
    True: "The saved model is not the one that was evaluated; do not use it.",
    False: "It does not stand this rounding; use --precision fp32.",
}


@dataclass(frozen=True)
class Probe:
    """Input rows (without targets) and the task's outputs for them in fp32."""

    rows: pa.Table
    outputs: Outputs
    seed: int
    #: Input column -> its column kind.
    kinds: Mapping[str, str]
    #: The rows were made up: no data leaves with the probe.
    synthetic: bool = False

    @classmethod
    def draw(cls, task: Task, model: nn.Module, base: Base, table: pa.Table, seed: int) -> Probe:
        """``ROWS`` rows (fewer if there are fewer) by seed, with the model's outputs."""
        kinds = _inputs(task, table)
        chosen = np.sort(generator(seed, 4).permutation(table.num_rows)[:ROWS])
        rows = table.select(list(kinds)).take(pa.array(chosen)).combine_chunks()
        return cls(rows, answer(task, model, base, rows, seed), seed, kinds)

    @classmethod
    def invent(cls, task: Task, model: nn.Module, base: Base, seed: int) -> Probe:
        """``ROWS`` invented rows, drawn by seed, with the model's outputs."""
        rows = invented(task.columns, base, ROWS, generator(seed, 4))
        return cls(rows, answer(task, model, base, rows, seed), seed, _inputs(task, rows), synthetic=True)

    def write(self, folder: Path) -> None:
        """``probe.json`` holds readable inputs and the tolerance, ``probe.safetensors`` outputs and binary inputs."""
        inputs: dict[str, Any] = {}
        tensors = arrays.flattened({f"output/{name}": value for name, value in self.outputs.items()})
        for name, kind in self.kinds.items():
            values, held = column_kind(kind).to_probe(self.rows[name])
            inputs[name] = {"kind": kind, "values": values}
            tensors |= {f"input/{name}/{key}": value for key, value in held.items()}
        save_file(tensors, folder / "probe.safetensors")
        described = {"rows": self.rows.num_rows, "seed": self.seed, "tolerance": dict(TOLERANCES)}
        drawn = {"synthetic": True} if self.synthetic else {}
        write_json(folder / "probe.json", {**described, **drawn, "inputs": inputs})

    @classmethod
    def read(cls, folder: Path) -> Probe:
        """Inverse of ``write``.

        Raises:
            ArtefactError: a file is missing or damaged.
        """
        try:
            described = json.loads((folder / "probe.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "probe.safetensors")
            kinds = {name: str(of["kind"]) for name, of in described["inputs"].items()}
            columns = {name: _column(name, of, tensors) for name, of in described["inputs"].items()}
            rows = pa.table(columns)
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
            SafetensorError,
            RecipeError,
        ) as error:
            raise ArtefactError(f"{folder}: its probe cannot be read ({error}). Restore the folder.") from error
        found = arrays.restored({key: value for key, value in tensors.items() if key.startswith("output/")})
        outputs = {key.removeprefix("output/"): value for key, value in found.items()}
        return cls(rows, outputs, described["seed"], kinds, described.get("synthetic", False))

    def compare(self, outputs: Outputs, where: Path, precision: str = "fp32") -> float:
        """The largest difference to the expected outputs, relative where values exceed one.

        Whole numbers that follow from a comparison (the likeliest token, the boxes that are kept) are compared in fp32
        alone. There they may differ where the probe says that the comparison was a near-tie, which rounding decides.

        Raises:
            ArtefactError: it is more than the tolerance, or an output is missing.
        """
        worst, tolerance = 0.0, TOLERANCES[precision]
        for name, expected in self.outputs.items():
            if name not in outputs or _shape(outputs[name]) != _shape(expected):
                raise ArtefactError(f"{where}: the model gives no {name} of shape {_shape(expected)} for the probe.")
            whole = not np.issubdtype(_values(expected).dtype, np.floating)
            if name.endswith(MARGIN) or (whole and precision != "fp32"):
                continue
            difference = _difference(_values(outputs[name]), _values(expected))
            if whole and f"{name}{MARGIN}" in self.outputs:
                difference = np.where(self._near_tie(name), 0.0, difference)
            worst = max(worst, float(np.max(difference, initial=0.0, where=~np.isnan(difference))))
            if np.isnan(difference).any() or worst > tolerance:
                raise ArtefactError(
                    f"{where}: does not reproduce its probe: {name} differs by {worst:.2e} in {precision}, at most "
                    f"{tolerance:.0e} is allowed. {_ADVICE[precision == 'fp32']}"
                )
        return worst

    def _near_tie(self, name: str) -> np.ndarray:
        """Where the comparison behind a whole number was decided by less than rounding; of the number's own shape."""
        margin, of = _values(self.outputs[f"{name}{MARGIN}"]), _values(self.outputs[name])
        margin = margin.reshape(*margin.shape, *(1 for _ in range(of.ndim - margin.ndim)))
        return np.broadcast_to(margin <= NEAR_TIE, of.shape)


def _shape(array: Entries) -> tuple[int, ...]:
    """The shape; of ragged arrays also the length of every entry."""
    return (*array.values.shape, *array.lengths.tolist()) if isinstance(array, Ragged) else array.shape


def _values(array: Entries) -> np.ndarray:
    return array.values if isinstance(array, Ragged) else array


def _difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    wide = expected.astype(np.float64)
    return np.asarray(np.abs(found.astype(np.float64) - wide) / np.maximum(1.0, np.abs(wide)))


def _inputs(task: Task, table: pa.Table) -> dict[str, str]:
    """Input column -> its kind, of those that the table has."""
    held = {name: column for name, column in task.columns.items() if name in table.column_names}
    return {name: column.kind for name, column in held.items() if not column.target}


def _column(name: str, described: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> pa.Array:
    prefix = f"input/{name}/"
    held = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return column_kind(described["kind"]).from_probe(described["values"], held)


def answer(task: Task, model: nn.Module, base: Base, rows: pa.Table, seed: int) -> Outputs:
    """The model's outputs for the rows, in fp32."""
    return Evaluator(task, model, base, seed).outputs(task.encode(rows, base))
