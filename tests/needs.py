"""What a test needs of the machine: absent it is skipped, unless the environment says that it must be there."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

#: Set to ``1``, a test that needs compiled kernels fails where there are none.
REQUIRE_KERNELS = "DIANJI_REQUIRE_KERNELS"
#: Set to ``1``, a test that needs public data or published weights fails where they are absent.
REQUIRE_DATA = "DIANJI_REQUIRE_DATA"


def absent(reason: str, switch: str) -> None:
    """Skip the test, or fail it where ``switch`` demands what is absent."""
    if os.environ.get(switch) == "1":
        pytest.fail(f"{reason} ({switch} is 1)", pytrace=False)
    pytest.skip(reason)


def need_kernels() -> None:
    """Compiled kernels."""
    from dianji.kernels.native.build import built  # which imports torch: only for tests that need it

    found = built()
    if found.functions is None:
        absent(f"there are no compiled kernels here: {found.description}", REQUIRE_KERNELS)


def need_compiler() -> None:
    """A C compiler on a system for which kernels are compiled."""
    names = (os.environ.get("CC") or "cc", "gcc", "clang")
    if sys.platform != "linux" or not any(map(shutil.which, names)):
        absent("there is no C compiler here", REQUIRE_KERNELS)


def need_starters() -> None:
    """The weights of the registered bases."""
    from dianji.bases.starters import STARTERS  # as above

    for starter in STARTERS:
        if not starter.is_installed:
            absent(f"base '{starter.card.name}' is not installed: {starter.weights.installation}", REQUIRE_DATA)


#: By marker.
NEEDS = {"kernels": need_kernels, "compiler": need_compiler, "starters": need_starters}
