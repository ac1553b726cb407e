"""Why no tunnel is open any more: what psql does to one is told where the base encrypts its
sessions, and nowhere else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import nobody_listens
from checks.errors import Unverifiable
from checks.facts import ForwardRefused
from labs.tp3_base_de_donnees import lessons, server


class NothingOpen:
    """A machine on whose ports nothing listens."""

    def listeners(self, port: int) -> Sequence[object]:
        return ()

    def forwards(self) -> Sequence[object]:
        return ()

    def connect(self, port: int) -> socket.socket:
        raise ConnectionRefusedError


class OneBase:
    """A namespace with a base; asked whether it offers TLS, its server gives `answer`, or the way
    to it fails."""

    namespace = "user-alice"
    machine = NothingOpen()

    def __init__(self, answer: bytes | Exception) -> None:
        self._answer = answer

    def local_port(self, port: int) -> int:
        return port

    @contextlib.contextmanager
    def forward(self, pod: str, port: int) -> Iterator[socket.socket]:
        if isinstance(self._answer, Exception):
            raise self._answer
        near, far = socket.socketpair()
        near.settimeout(5)

        def serve(answer: bytes) -> None:
            with far:
                far.recv(8)
                far.sendall(answer)

        with near:
            threading.Thread(target=serve, args=(self._answer,)).start()
            yield near


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"S", True),
        (b"N", False),
        (b"", False),
        (b"HTTP", False),
        (ForwardRefused("rien n’écoute"), False),
        (Unverifiable("coupé"), False),
    ],
)
def test_what_psql_does_to_a_tunnel_is_told_where_the_base_offers_tls(
    answer: bytes | Exception, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod: Any = SimpleNamespace(name="base-1", namespace="user-alice")
    monkeypatch.setattr(server, "ready_pods", lambda _: [(None, pod)])
    cluster = cast(Cluster, OneBase(answer))
    found = nobody_listens(cluster, server.tunnel(cluster))
    assert found is not None
    assert found.finding == "Rien n’écoute sur localhost:5432."
    assert found.cause.endswith(lessons.PSQL_HAS_LEFT) is told
    assert found.fix.endswith(lessons.LEAVE_IT_OPEN) is told
    assert found.commands == ("kubectl port-forward pod/base-1 5432:5432 -n user-alice &",), (
        "what repairs it is the same"
    )
