"""The guards that every other test relies on."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT


@pytest.mark.parametrize("host", ["huggingface.co", "192.0.2.1", "2001:db8::1", b"pypi.org"])
def test_a_name_or_address_elsewhere_is_refused(host):
    with pytest.raises(pytest.fail.Exception, match="reached for the network"):
        socket.getaddrinfo(host, 443)


@pytest.mark.parametrize("connect", ["connect", "connect_ex"])
def test_a_connection_elsewhere_is_refused(connect):
    with socket.socket() as one, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        getattr(one, connect)(("192.0.2.1", 80))


def test_a_refusal_is_no_ordinary_exception():
    """Libraries that catch Exception around a download must not swallow it."""
    assert not issubclass(pytest.fail.Exception, Exception)


def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_every_test_has_a_store_of_its_own(tmp_path):
    home = Path(os.environ["DIANJI_HOME"])
    assert list(home.iterdir()) == []
    assert home != tmp_path
    assert not home.is_relative_to(ROOT)


def test_torch_has_one_thread_here_and_in_processes_that_tests_start():
    told = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.get_num_threads())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert torch.get_num_threads() == int(told.stdout) == 1


@given(st.integers())
def test_hypothesis_has_no_deadline_and_few_examples(number):
    assert settings().deadline is None
    assert settings().max_examples <= 25
