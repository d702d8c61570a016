"""Device and precision: chosen by the hardware, refused where it has none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dianji.engine import runtime
from dianji.engine.runtime import cpu_has_bf16, make_runtime
from dianji.errors import CapabilityError
from dianji.kernels.native import library

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")


@NO_GPU
def test_fp16_is_refused_on_a_cpu():
    with pytest.raises(CapabilityError, match="fp16 needs a GPU; on a CPU use bf16 or fp32"):
        make_runtime("fp16")


def test_an_unknown_precision_is_refused():
    with pytest.raises(CapabilityError, match="'int4' is not one of auto, fp32, bf16, fp16"):
        make_runtime("int4")


@NO_GPU
@pytest.mark.parametrize(("has", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_follows_the_hardware(monkeypatch, has, expected):
    monkeypatch.setattr(runtime, "cpu_has_bf16", lambda: has)
    assert make_runtime("auto").precision == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor: 0\nflags\t\t: fpu sse avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("flags\t\t: fpu sse avx2 avx512f\n", False),
        ("Features\t: fp asimd\n", False),
        ("", False),
    ],
)
def test_bf16_is_read_from_the_list_of_features(monkeypatch, text, expected):
    monkeypatch.setattr(Path, "read_text", lambda path: text)
    assert cpu_has_bf16() is expected


def test_a_system_without_that_list_has_none(monkeypatch):
    def absent(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", absent)
    assert cpu_has_bf16() is False


@pytest.mark.parametrize(("precision", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_in_the_precision_and_weights_stay(precision, kind):
    made = make_runtime(precision)
    layer = torch.nn.Linear(4, 4).to(made.device)
    with made.products():
        assert layer(torch.ones(2, 4, device=made.device)).dtype == kind
    assert layer.weight.dtype == torch.float32


def test_stages_of_one_process_may_differ():
    assert [make_runtime(precision).precision for precision in ("bf16", "fp32", "bf16")] == ["bf16", "fp32", "bf16"]


@NO_GPU
def test_its_identity_is_that_of_the_kernels_too(monkeypatch):
    made = make_runtime("fp32")
    if library.available():
        assert made.identity().startswith(f"{made.describe()}, kernels {library.identity()[:12]}")
    monkeypatch.setattr(library, "identity", lambda: "0123456789abcdef")
    assert made.identity().startswith(f"{made.describe()}, kernels 0123456789ab")
    monkeypatch.setattr(library, "identity", lambda: "")
    assert made.identity() == made.describe()


@NO_GPU
def test_it_says_where_it_computes():
    told = f"cpu, fp32, {torch.get_num_threads()} threads"
    assert make_runtime("fp32").describe() == told + (", compiled kernels" if library.available() else "")
