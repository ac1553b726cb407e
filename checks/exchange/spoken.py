"""What a server speaks, by asking it: TLS, PostgreSQL, HTTP. One that speaks first, or that never
answers a stranger, is left alone."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum

from checks.errors import CahierError
from checks.exchange.postgres import Encryption, NotPostgres, Silence, encryption
from checks.exchange.tls import Encrypted, Stream
from checks.facts import ForwardRefused

Connect = Callable[[], AbstractContextManager[socket.socket]]
"""Makes one more connection to the server. Raises ForwardRefused, CahierError, OSError."""

_SPEAKS_FIRST = 0.2  # seconds that a server is given to speak first
_ANSWERS = 1.5  # seconds for an answer that nobody waits for
_WANTED_ANSWERS = 4.0  # the same, where one was said to come
_BAD_REQUEST = 400  # what servers that expect TLS answer to HTTP, where they answer
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})")
_LONGEST = 64  # bytes of an answer that are enough to know it
# https://www.rfc-editor.org/rfc/rfc8446#section-5.1 and #section-4: an alert, then a ServerHello.
# What only repeats our own words (an echo) begins with a ClientHello.
_TLS = re.compile(rb"\x15\x03|\x16\x03...\x02", re.DOTALL)


class Protocol(Enum):
    """What a client can be made to speak, by the scheme of its address."""

    HTTP = "http"
    HTTPS = "https"
    POSTGRESQL = "postgresql"


class Speech(Enum):
    """What a server was heard to speak."""

    HTTP = "HTTP in clear"
    HTTPS = "HTTP in TLS"
    TLS = "something else in TLS"
    POSTGRES_WITHOUT_TLS = "PostgreSQL without TLS"
    POSTGRES = "PostgreSQL, with TLS or without"
    POSTGRES_IN_TLS = "PostgreSQL in TLS only"


@dataclass(frozen=True)
class _Heard:
    """The answer to a question; `status`: of HTTP, 0 for none."""

    speech: Speech | None = None
    status: int = 0


def spoken(
    connect: Connect, host: str, wanted: Protocol | None = None, usual: Protocol | None = None
) -> Speech | None:
    """What the server to which `connect` leads speaks; None where that is not known. `wanted`: what
    its client would speak; `usual`: what its port is for. Either is asked first."""
    opened = _Clients(connect, wanted is not None).opened
    first, refused = wanted or usual, False
    for asked in sorted(_QUESTIONS, key=lambda one: one is not first):
        try:
            heard = _QUESTIONS[asked](opened, host)
        except NotPostgres as silence:
            if isinstance(silence, Silence) and wanted is None:
                break
        except TimeoutError:
            if wanted is None:
                break
        except (_NotForStrangers, ForwardRefused, CahierError, OSError):
            break
        else:
            if heard == _Heard(Speech.HTTP, _BAD_REQUEST) and asked is Protocol.HTTP:
                refused = True  # as servers that expect TLS do
            elif heard == _Heard(Speech.HTTPS, _BAD_REQUEST) and refused:
                return None  # it refuses both alike
            elif heard.speech is not None:
                return heard.speech
    return Speech.HTTP if refused else None


class _NotForStrangers(Exception):
    """The server has spoken, or left, before it was asked anything."""


class _Clients:
    """Makes connections; the first of them lets the server speak, where nothing is wanted of it."""

    def __init__(self, connect: Connect, wanted: bool) -> None:
        self._connect = connect
        self._patience = _WANTED_ANSWERS if wanted else _ANSWERS
        self._listens = not wanted

    @contextlib.contextmanager
    def opened(self) -> Iterator[socket.socket]:
        """One more connection; what is told of it as it is closed comes too late to matter."""
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(self._connect())
            try:
                if self._listens:
                    self._listens = False
                    _let_speak(connection)
                connection.settimeout(self._patience)
                yield connection
            finally:
                with contextlib.suppress(ForwardRefused, CahierError, OSError):
                    stack.close()


def _let_speak(connection: socket.socket) -> None:
    connection.settimeout(_SPEAKS_FIRST)
    try:
        connection.recv(1)
    except TimeoutError:
        return
    raise _NotForStrangers


class _Wire:
    """A connection that remembers how its other end began."""

    def __init__(self, connection: Stream) -> None:
        self._connection = connection
        self.beginning = b""

    def sendall(self, data: bytes, /) -> None:
        self._connection.sendall(data)

    def recv(self, size: int, /) -> bytes:
        data = self._connection.recv(size)
        self.beginning = (self.beginning + data)[:_LONGEST]
        return data


def _in_tls(opened: Connect, host: str) -> _Heard:
    with opened() as connection:
        wire, status = _Wire(connection), 0
        try:
            status = _status(Encrypted(wire, host if _is_name(host) else ""), host)
        except TimeoutError:
            if not wire.beginning:
                raise
        except OSError:  # of TLS too: what came on the wire tells
            pass
    if _TLS.match(wire.beginning):
        return _Heard(Speech.HTTPS if status else Speech.TLS, status)
    found = _STATUS.match(wire.beginning)
    return _Heard(Speech.HTTP, int(found[1])) if found else _Heard()


def _in_clear(opened: Connect, host: str) -> _Heard:
    with opened() as connection:
        status = 0
        try:
            status = _status(connection, host)
        except TimeoutError:
            raise
        except OSError:  # it has left
            pass
    return _Heard(Speech.HTTP, status) if status else _Heard()


def _to_postgres(opened: Connect, _host: str) -> _Heard:
    return _Heard(_OF_POSTGRES[encryption(opened)])


_QUESTIONS: Mapping[Protocol, Callable[[Connect, str], _Heard]] = {
    Protocol.HTTPS: _in_tls,
    Protocol.POSTGRESQL: _to_postgres,
    Protocol.HTTP: _in_clear,
}
"""In the order in which they are asked of a server of which nothing is known: what answers none
understands the next."""
_OF_POSTGRES = {
    Encryption.NONE: Speech.POSTGRES_WITHOUT_TLS,
    Encryption.OFFERED: Speech.POSTGRES,
    Encryption.DEMANDED: Speech.POSTGRES_IN_TLS,
}


def _status(stream: Stream, host: str) -> int:
    """HTTP's own, of a request that changes nothing and asks for no page; 0 for another answer.
    Raises OSError."""
    told = host.encode("ascii", "replace").decode()
    stream.sendall(
        f"HEAD / HTTP/1.1\r\nHost: {told}\r\nUser-Agent: cahier-kubernetes\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    answer = b""
    while b"\n" not in answer and len(answer) < _LONGEST and (more := stream.recv(_LONGEST)):
        answer += more
    found = _STATUS.match(answer)
    return int(found[1]) if found else 0


def _is_name(host: str) -> bool:
    """Whether TLS may carry it: an address, or a name that ends with a dot, is none."""
    return bool(re.fullmatch(r"(?!\d+(\.\d+){3}$)[A-Za-z0-9]([\w.-]*\w)?", host, re.ASCII))
