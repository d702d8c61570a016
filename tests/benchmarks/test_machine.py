from __future__ import annotations

import pytest

from tests.benchmarks.loading import load

machine = load("suite.machine")


@pytest.mark.parametrize(
    ("vendor", "flags", "kind"),
    [
        ("GenuineIntel", ["avx512_bf16", "amx_bf16"], "intel-amx"),
        ("AuthenticAMD", ["avx512_bf16", "avx512f"], "amd-avx512bf16"),
        ("AuthenticAMD", ["avx2"], "other"),
        ("GenuineIntel", ["avx512_bf16"], "other"),
        ("", [], "other"),
    ],
)
def test_kinds(vendor: str, flags: list[str], kind: str):
    assert machine.kind_of(vendor, flags) == kind


def test_the_limit_is_of_the_largest_product():
    found = {"bf16": {machine.shape_name(shape): float(number) for number, shape in enumerate(machine.SHAPES, start=1)}}
    assert machine.limit(found) == 1e9


@pytest.mark.parametrize(
    ("name", "nominal"),
    [
        ("NVIDIA H100 80GB HBM3", 989_000),
        ("NVIDIA H100 PCIe", 756_000),
        ("NVIDIA A100-SXM4-40GB", 312_000),
        ("X", None),
    ],
)
def test_what_a_card_reaches_by_its_maker(name: str, nominal: float | None):
    assert machine.nominal(name) == nominal
