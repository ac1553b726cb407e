"""TLS over a connection that stays its owner's to close."""

from __future__ import annotations

import contextlib
import io
import ssl
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")


class Stream(Protocol):
    """What one speaks through: a socket, or what stands before one."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`. Raises OSError."""

    def recv(self, size: int, /) -> bytes:
        """Some of what was answered, b"" once the other end has closed. Raises OSError."""


class Encrypted:
    """TLS over a connection that stays its owner's to close. The certificate is not looked at:
    nothing secret is said.

    A tunnel's end cannot be given to `SSLContext.wrap_socket`, which takes its file descriptor away
    from it.
    """

    def __init__(self, connection: Stream, name: str = "") -> None:
        """`name`: the server's, as the client that is meant would ask for it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None)

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`. Raises OSError."""
        self._done(lambda: self._tls.write(data))

    def recv(self, size: int, /) -> bytes:
        """Some of what was answered, b"" once the other end has closed. Raises OSError."""
        with contextlib.suppress(ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return self._done(lambda: self._tls.read(size))
        return b""

    def makefile(self, mode: str) -> io.BufferedRWPair:
        """A file to read and write, as a socket's: the driver of `refusal` wants one."""
        return io.BufferedRWPair(_Raw(self), _Raw(self))

    def _done(self, step: Callable[[], _T]) -> _T:
        """What a step of TLS gives, once the other end has said what it needs: the handshake comes
        with the first."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._send()
                received = self._connection.recv(16384)
                self._incoming.write(received) if received else self._incoming.write_eof()
            else:
                self._send()
                return done

    def _send(self) -> None:
        """Send what TLS has to say; nothing else, for the other end may have closed already."""
        if said := self._outgoing.read():
            self._connection.sendall(said)


class _Raw(io.RawIOBase):
    """What a buffered file reads and writes, over TLS."""

    def __init__(self, stream: Encrypted) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any, /) -> int:
        self._stream.sendall(bytes(data))
        return len(data)
