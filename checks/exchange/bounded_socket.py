"""A socket that neither an endless answer nor one that comes a byte at a time can keep busy:
whoever reads it is told that the other end is silent, or has closed."""

from __future__ import annotations

import socket
import time
from typing import Any

_MOST = 2**21  # bytes: more than any exchange of a check
_WAITED = 12.0  # seconds spent waiting for the other end, all in all


class BoundedSocket(socket.socket):
    """`given`, taken over: a connected socket, or what has its `detach` and `gettimeout`."""

    def __init__(self, given: Any) -> None:
        timeout = given.gettimeout()
        super().__init__(fileno=given.detach())
        self.settimeout(timeout)
        self._received = 0
        self._waited = 0.0
        self.ended_here = False
        """Whether it was us who ended the conversation."""

    def shutdown(self, how: int, /) -> None:
        """As a socket's. Raises OSError."""
        self.ended_here = True
        super().shutdown(how)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As a socket's; b"" once too much was received. Raises TimeoutError, OSError."""
        if self._received >= _MOST:
            return b""
        with _Wait(self):
            data = super().recv(min(size, _MOST - self._received), flags)
        self._received += len(data)
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """As a socket's; 0 once too much was received. Raises TimeoutError, OSError."""
        if self._received >= _MOST:
            return 0
        with _Wait(self):
            count = super().recv_into(
                buffer, min(size or len(buffer), _MOST - self._received), flags
            )
        self._received += count
        return count


class _Wait:
    """What is waited for here counts."""

    def __init__(self, end: BoundedSocket) -> None:
        self._end = end

    def __enter__(self) -> None:
        self._own = self._end.gettimeout()
        left = _WAITED - self._end._waited
        if left <= 0:
            raise TimeoutError("timed out")
        if self._own != 0:  # one that does not block stays so
            self._end.settimeout(left if self._own is None else min(self._own, left))
        self._began = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._end._waited += time.monotonic() - self._began
        self._end.settimeout(self._own)
