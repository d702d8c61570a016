"""What holds for every test: one thread, no network, a store of its own, few examples."""

from __future__ import annotations

import os

# Before anything imports numpy, torch or a Hugging Face library: they read these once. Processes that tests start
# inherit them.
os.environ |= {
    "OMP_NUM_THREADS": os.environ.get("DIANJI_TEST_THREADS", "1"),
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

import gc
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.needs import NEEDS, REQUIRE_DATA, absent

ROOT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("here", deadline=None, max_examples=25)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=10, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kinds``: how many kinds of artefacts tests/stories/test_every_verb.py goes through."""
    told = "kinds of artefacts to try every verb on: some drawn by the seed, all, or all with every layout of data"
    parser.addoption("--kinds", choices=("some", "all", "product"), default="some", help=told)
    parser.addoption("--kinds-minutes", type=float, default=0.0, help="skip kinds that come after so many minutes")


@pytest.fixture(scope="session", autouse=True)
def _quick_collections() -> Iterator[None]:
    """Exclude imported libraries from garbage collection, which each run starts several times."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the checkout, and none finds what another one left."""
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path_factory.mktemp("home", numbered=True)))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The public data sets, for tests marked ``real``. Skips where they are absent, fails if they are required."""
    root = Path(os.environ.get("DIANJI_DATA", ROOT.parent / "shared" / "data")).absolute()
    if not root.is_dir():
        absent(f"no public data sets at {root}; DIANJI_DATA says where they lie", REQUIRE_DATA)
    return root


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose markers name what the machine lacks."""
    for name, need in NEEDS.items():
        if item.get_closest_marker(name) is not None:
            need()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whatever looks up or connects to another machine; a library that tries must not go unnoticed."""
    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *rest: Any, **named: Any) -> Any:
        _refuse(host)
        return look_up(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            _refuse(address[0])
        return connect(self, address)

    return guarded


def _refuse(host: str | bytes | None) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return
    try:
        loopback = ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:  # a name, not an address
        loopback = False
    if not loopback:
        # Not an Exception, so that no library can take it for a failed download and go on.
        pytest.fail(f"the test reached for the network: {name}", pytrace=True)
