"""Who listens on a port of this machine, by what Linux tells and by what psutil does."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import psutil
import pytest

from checks.access import kubectl
from checks.process import called
from checks.sources.machine import LocalMachine

ADDRESSES = (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("::", socket.AF_INET6))


@contextlib.contextmanager
def listening(address: str, family: socket.AddressFamily) -> Iterator[int]:
    """A port that this process listens on."""
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"no {address} on this machine")
    with server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("address", "family"), ADDRESSES, ids=[one for one, _ in ADDRESSES])
def test_a_listener_is_the_one_that_psutil_sees(address: str, family: socket.AddressFamily) -> None:
    with listening(address, family) as port:
        found = [(one.address, one.pid) for one in LocalMachine().listeners(port)]
        seen = [
            (one.laddr.ip, one.pid)
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
        ]
    assert found == seen == [(address, os.getpid())]
    assert not LocalMachine().listeners(port)


def test_a_connection_is_no_listener() -> None:
    with (
        listening("127.0.0.1", socket.AF_INET) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        assert not LocalMachine().listeners(client.getsockname()[1])
        assert len(LocalMachine().listeners(port)) == 1


def test_a_program_is_found_by_the_beginning_of_its_name() -> None:
    own = psutil.Process()
    assert own.pid in [process.pid for process in called(own.name()[:4])]
    assert not list(called("no-program-has-this-name"))
    kubectl.sweep()  # nothing of ours is left: nothing is ended
    assert own.is_running()
