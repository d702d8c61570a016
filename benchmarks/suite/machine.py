"""The machine: which kind of CPU it is, and how many products a second it can do."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

Kind = Literal["intel-amx", "amd-avx512bf16", "other"]

#: (rows, inner, columns): what a rate is taken of; the largest counts. The others are products of all-MiniLM-L6-v2 at
#: 64 texts of 16 tokens: into the feed-forward layer, out of it, and an attention projection.
LARGEST = (2048, 2048, 2048)
SHAPES = (LARGEST, (1024, 1024, 1024), (1024, 384, 1536), (1024, 1536, 384), (1024, 384, 384))
ON_GPU = (8192, 8192, 8192)
#: TFLOP/s of dense bf16 products by NVIDIA's data sheets; the first name that fits counts.
NOMINAL = {"H100 PCIe": 756, "H100": 989, "H200": 989, "A100": 312, "L40S": 362, "A10": 125, "L4": 121}
SECONDS, LEAST = 0.6, 20  # for each shape and precision; at least so many products


def kind_of(vendor: str, flags: Iterable[str]) -> Kind:
    """From what the kernel says of a CPU. What is expected of speed goes by this."""
    known = set(flags)
    if "amx_bf16" in known:
        return "intel-amx"
    if vendor == "AuthenticAMD" and "avx512_bf16" in known:
        return "amd-avx512bf16"
    return "other"


def kind() -> Kind:
    """Of this machine."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "other"
    named = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in text.splitlines() if ":" in line}
    return kind_of(named.get("vendor_id", ""), named.get("flags", "").split())


def rates() -> dict[str, Any]:
    """GFLOP/s of products in bf16 and fp32 by shape, the best of as many as fit into a moment."""
    import torch

    found: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    for name, precision in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        found[name] = {shape_name(shape): _rate(shape, precision, "cpu") for shape in SHAPES}
    return found


def gpu() -> dict[str, Any]:
    """Name and GFLOP/s in bf16 of the first GPU; without one, an empty name."""
    import torch

    if not torch.cuda.is_available():
        return {"name": "", "torch": torch.__version__}
    name = torch.cuda.get_device_name(0)
    measured = _rate(ON_GPU, torch.bfloat16, "cuda")
    return {"name": name, "torch": torch.__version__, "bf16_gflops": measured, "nominal_gflops": nominal(name)}


def nominal(name: str) -> float | None:
    """GFLOP/s of dense bf16 products that a card's maker names; None for a card that is not known."""
    return next((1000 * teraflops for card, teraflops in NOMINAL.items() if card in name), None)


def limit(rates: dict[str, Any], precision: str = "bf16") -> float:
    """FLOP/s that utilisation is told of."""
    return float(rates[precision][shape_name(LARGEST)]) * 1e9


def shape_name(shape: tuple[int, int, int]) -> str:
    """``(1024 x 384) (384 x 1536)``."""
    rows, inner, columns = shape
    return f"({rows} x {inner}) ({inner} x {columns})"


def _rate(shape: tuple[int, int, int], precision: Any, device: str) -> float:
    import torch

    rows, inner, columns = shape
    one = torch.randn(rows, inner, device=device).to(precision)
    other = torch.randn(inner, columns, device=device).to(precision)
    took: list[float] = []
    while len(took) < LEAST or sum(took) < SECONDS:
        start = time.perf_counter()
        one @ other
        if device != "cpu":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - start)
    return round(2 * rows * inner * columns / min(took) / 1e9, 1)
