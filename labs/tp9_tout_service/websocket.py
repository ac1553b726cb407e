"""A WebSocket over a socket that is already connected: https://www.rfc-editor.org/rfc/rfc6455."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from socket import socket

_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MOST = 65536  # bytes of an answer's head
_TEXT = 0x81  # the only frame of a text
_MASKED = 0x80


class NotWebSocket(Exception):
    """No WebSocket was opened, or it was cut; the message is French. `status`: that of an HTTP
    answer which refuses it, 0 for none; `body`: the first line of what it says."""

    def __init__(self, message: str, status: int = 0, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class WebSocket:
    """Opened as a browser does whose page comes from `host`. Raises NotWebSocket."""

    def __init__(self, connection: socket, host: str, path: str = "/ws") -> None:
        self._connection = connection
        self._received = b""
        key = base64.b64encode(os.urandom(16)).decode()
        asked = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self._send(asked.encode())
        head = self._head()
        accepted = base64.b64encode(hashlib.sha1(f"{key}{_SALT}".encode()).digest()).decode()
        if f"sec-websocket-accept: {accepted}".lower() not in head.lower().split("\r\n"):
            raise NotWebSocket("la réponse 101 ne vient pas d’un serveur WebSocket")

    def echo(self, text: str) -> str:
        """What is said in answer to a short text. Raises NotWebSocket."""
        mask, said = os.urandom(4), text.encode()
        hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(said))
        self._send(bytes([_TEXT, _MASKED | len(said)]) + mask + hidden)
        first, size = self._read(2)
        if first != _TEXT or size > 126:
            raise NotWebSocket("la connexion a été fermée, ou ne parle plus WebSocket")
        if size == 126:
            size = int.from_bytes(self._read(2), "big")
        return self._read(size).decode(errors="replace")

    def _head(self) -> str:
        """The head of the answer, once it is one that opens a WebSocket."""
        while b"\r\n\r\n" not in self._received:
            if len(self._received) > _MOST or not self._more():
                break
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        words = head.decode(errors="replace").split(maxsplit=2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
            raise NotWebSocket("la connexion a été fermée sans réponse")
        if words[1] != "101":
            with contextlib.suppress(NotWebSocket):  # what it says besides may be long in coming
                while not self._received.strip() and self._more():
                    pass
            body = self._received.decode(errors="replace").strip().partition("\n")[0]
            raise NotWebSocket(f"réponse {words[1]}", int(words[1]), body)
        return head.decode(errors="replace")

    def _read(self, size: int) -> bytes:
        while len(self._received) < size:
            if not self._more():
                raise NotWebSocket("la connexion a été fermée")
        data, self._received = self._received[:size], self._received[size:]
        return data

    def _more(self) -> bool:
        """Whether more was received before the other end closed."""
        try:
            data = self._connection.recv(4096)
        except TimeoutError:
            raise NotWebSocket("aucune réponse en quelques secondes") from None
        except OSError:
            data = b""
        self._received += data
        return bool(data)

    def _send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except OSError:
            raise NotWebSocket("la connexion a été fermée") from None
