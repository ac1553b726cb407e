"""Servers that speak one protocol each, on a connection that a test makes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.pretend_api import self_signed

Speaker = Callable[[socket.socket], None]
"""What a server does with one client; the connection is closed when it returns."""

_ASKS_FOR_A_PASSWORD = b"R" + struct.pack("!II", 8, 3)


class Server:
    """Leads to a server that does the same with each client."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self.clients = 0

    @contextlib.contextmanager
    def connect(self) -> Iterator[socket.socket]:
        """One more client."""
        self.clients += 1
        near, far = socket.socketpair()
        served = threading.Thread(target=self._serve, args=(far,))
        served.start()
        try:
            with near:
                yield near
        finally:
            served.join(10)

    def _serve(self, far: socket.socket) -> None:
        far.settimeout(10)
        with far, contextlib.suppress(OSError):
            self._speaker(far)


def in_tls(speaker: Callable[[Any], None]) -> Speaker:
    """The same, for clients that open in TLS; others are left, as OpenSSL leaves them."""

    def serve(far: socket.socket) -> None:
        with _context().wrap_socket(far, server_side=True) as end:
            speaker(end)

    return serve


def http(status: int = 200, to_strangers: bytes = b"HTTP/1.1 400 Bad Request\r\n\r\n") -> Speaker:
    """An HTTP server; `to_strangers`: what it answers to what is no HTTP."""

    def serve(far: socket.socket) -> None:
        asked = far.recv(4096)
        known = asked.startswith((b"GET ", b"HEAD "))
        far.sendall(f"HTTP/1.1 {status} .\r\n\r\n".encode() if known else to_strangers)

    return serve


def https(status: int = 200, in_clear: bytes = b"") -> Speaker:
    """An HTTPS server; `in_clear`: what it answers to who speaks HTTP in clear."""
    inside = in_tls(http(status))

    def serve(far: socket.socket) -> None:
        if far.recv(1, socket.MSG_PEEK) == b"\x16":
            inside(far)
        else:
            far.recv(4096)
            far.sendall(in_clear)

    return serve


def postgres(*, tls: bool, demanded: bool = False) -> Speaker:
    """A PostgreSQL server that asks who is there for a password; `demanded`: only in TLS."""

    def introduced(end: Any, *, turns_away: bool) -> None:
        end.recv(4096)
        said = b"SFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"
        refusal = b"E" + struct.pack("!I", len(said) + 4) + said
        end.sendall(refusal if turns_away else _ASKS_FOR_A_PASSWORD)
        end.recv(4096)

    def serve(far: socket.socket) -> None:
        first = far.recv(8)
        if first == struct.pack("!II", 8, 80877103):
            far.sendall(b"S" if tls else b"N")
            if tls:
                in_tls(lambda end: introduced(end, turns_away=False))(far)
            else:
                introduced(far, turns_away=False)
        elif first[:2] == b"\0\0":
            introduced(far, turns_away=demanded)
        # anything else has no length that a packet may have: it hangs up

    return serve


def speaks_first(words: bytes) -> Speaker:
    """A server that greets its clients."""

    def serve(far: socket.socket) -> None:
        far.sendall(words)
        far.recv(4096)

    return serve


def echo(far: socket.socket) -> None:
    """Repeats what it hears."""
    while heard := far.recv(65536):
        far.sendall(heard)


def silent(far: socket.socket) -> None:
    """Hears, and never answers."""
    while far.recv(65536):
        pass


def leaves(far: socket.socket) -> None:
    """Hears, and hangs up."""
    far.recv(65536)


@cache
def _context() -> ssl.SSLContext:
    key, certificate = self_signed(["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_bytes(key + certificate)
        context.load_cert_chain(chain)
    return context
