"""A sound safetensors file, and each way of not being one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from dianji.artefact.verify.tensors import faults_of


def write(path: Path, header: dict[str, Any] | bytes, data: bytes) -> Path:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


def entry(begin: int, end: int, dtype: str = "U8", shape: list[int] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.bool])
def test_a_sound_file(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"a": torch.ones(3, 5).to(dtype), "none": torch.ones(0, 2).to(dtype), "scalar": torch.ones(()).to(dtype)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    assert list(faults_of(tmp_path / "x.safetensors")) == []


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_value_that_is_no_number(tmp_path: Path, dtype: torch.dtype, value: float) -> None:
    tensor = torch.randn(7, 3)
    tensor[6, 2] = value
    save_file({"fine": torch.ones(2), "bad": tensor.to(dtype)}, tmp_path / "x.safetensors")
    assert list(faults_of(tmp_path / "x.safetensors")) == [
        "tensor 'bad' holds values that are no numbers (NaN or infinity)"
    ]


@given(values=st.lists(st.floats(width=32), max_size=20))
def test_bfloat16_is_told_as_torch_tells_it(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    tensor = torch.tensor(values, dtype=torch.float32).to(torch.bfloat16)
    path = tmp_path_factory.mktemp("t") / "x.safetensors"
    save_file({"a": tensor}, path)
    assert bool(list(faults_of(path))) == (not bool(torch.isfinite(tensor).all()))


@pytest.mark.parametrize(
    ("header", "data", "expected"),
    [
        (
            b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
            b"x",
            "the key 'a' stands twice",
        ),
        ({"a": entry(0, 2), "b": entry(1, 3)}, b"xyz", "overlap"),
        ({"a": entry(0, 1), "b": entry(2, 3)}, b"xyz", "leave room"),
        ({"a": entry(1, 3)}, b"xyz", "leave room"),
        ({"a": entry(0, 4, "F32", [2])}, b"xyzw", "takes 8 bytes, its header gives it 4"),
        ({"a": entry(0, 1, "PICKLE")}, b"x", "unknown type 'PICKLE'"),
        ({"a": entry(0, 1, shape=[-1])}, b"x", "has no shape"),
        ({"a": entry(0, 3)}, b"xy", "promises"),
        ({"a": entry(0, 1)}, b"xy", "promises"),
    ],
)
def test_headers_that_lie(tmp_path: Path, header: dict[str, Any] | bytes, data: bytes, expected: str) -> None:
    (told, *_) = faults_of(write(tmp_path / "x.safetensors", header, data))
    assert expected in told


def test_large_tensors_are_looked_at_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dianji.artefact.verify.tensors.AT_ONCE", 4)
    values = np.ones(10, dtype=np.float32)
    values[9] = np.nan
    save_file({"a": torch.from_numpy(values)}, tmp_path / "x.safetensors")
    assert len(list(faults_of(tmp_path / "x.safetensors"))) == 1
