"""Our own tunnels to a pod's port, told apart when they end.

A pod that ends a connection is followed by the server's own goodbye (WebSocket close, code 1000;
seen on Kubernetes 1.37, also for a pod that refuses). A tunnel that ends without one was cut
between us and the pod: nobody's mistake.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from websocket import ABNF, WebSocket, WebSocketException

from checks.errors import Unverifiable
from checks.exchange.bounded_socket import BoundedSocket
from checks.facts import ForwardRefused
from checks.waiting import Deadline

_PONG = 3.0  # seconds for a ping to come back
_GOODBYE = 3.0  # seconds for the other side's goodbye
_NORMAL = 1000  # https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
_PATIENCE = 8.0  # seconds for a pod to say a word
_AT_ONCE = 2**16  # bytes
_DATA, _ERROR = 0, 1  # the channels of the only port


class Tunnel:
    """What one connection to a pod's port carries, between its stream and a socket; a thread
    carries it."""

    def __init__(self, stream: WebSocket) -> None:
        self._stream = stream
        self.near, self._far = socket.socketpair()
        self.refusal = ""
        """What the node of the pod said of the connection."""
        self.goodbye = False
        self.cut = False
        self._answer = b""  # what came back of the last ping
        # channels whose first message, the number of the port, has come
        self._begun: set[int] = set()
        self._coming = bytearray()
        self._thread = threading.Thread(target=self._carry, name="tunnel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say goodbye, once the near end is closed. The thread is waited for: closed under it, the
        descriptor of its socket would be another connection's."""
        self._thread.join(2 * _GOODBYE)

    @property
    def is_cut(self) -> bool:
        """Whether something between us and the node keeps the tunnel from carrying more."""
        return self.cut or not (self.goodbye or (self._thread.is_alive() and self._answers()))

    def _answers(self) -> bool:
        """Whether the node of the pod still answers at the other end: the program there may say
        nothing.

        The kubelet returns a ping, as https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3 demands
        (Kubernetes 1.37).
        """
        word = uuid.uuid4().bytes
        deadline = Deadline(_PONG)
        with contextlib.suppress(WebSocketException, OSError):
            self._stream.ping(word)
            while (
                self._thread.is_alive() and self._answer != word and not (self.goodbye or self.cut)
            ):
                if deadline.passed:
                    return False
                time.sleep(0.01)
        return not self.cut  # where it is closed without one, it is by ourselves

    def _carry(self) -> None:
        with selectors.DefaultSelector() as ready, contextlib.closing(self._far):
            try:
                assert self._stream.sock is not None
                ready.register(self._stream.sock, selectors.EVENT_READ)
                ready.register(self._far, selectors.EVENT_READ)
                while self._carry_once(ready):
                    pass
            except (WebSocketException, OSError, IndexError):
                self.cut = True
            finally:
                self._stream.shutdown()  # type: ignore[no-untyped-call]

    def _carry_once(self, ready: selectors.BaseSelector) -> bool:
        """Carry what has come, both ways; whether there is more to carry."""
        ready.modify(
            self._far, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._coming else 0)
        )
        events = {key.fileobj: mask for key, mask in ready.select()}
        if self._stream.sock in events and not self._receive():
            self._far.settimeout(_PATIENCE)
            with contextlib.suppress(OSError):
                self._far.sendall(self._coming)
            return False
        there = events.get(self._far, 0)
        if there & selectors.EVENT_READ:
            data = self._far.recv(_AT_ONCE)
            if not data:
                self._stream.close(timeout=_GOODBYE)
                return False
            self._stream.send_binary(bytes([_DATA]) + data)
        if there & selectors.EVENT_WRITE:
            # the near end is closed: told by what is read there
            with contextlib.suppress(BrokenPipeError):
                del self._coming[: self._far.send(self._coming)]
        return True

    def _receive(self) -> bool:
        """Take in what the stream has ready; whether it goes on."""
        while True:
            opcode, frame = self._stream.recv_data_frame(True)
            if opcode == ABNF.OPCODE_PONG:
                self._answer = frame.data
            elif opcode == ABNF.OPCODE_CLOSE:
                self.goodbye = (
                    len(frame.data) >= 2 and struct.unpack("!H", frame.data[:2])[0] == _NORMAL
                )
                self.cut = not self.goodbye
                return False
            elif opcode == ABNF.OPCODE_BINARY and not self._take(frame.data[0], frame.data[1:]):
                self._coming.clear()
                return False
            if not (isinstance(self._stream.sock, ssl.SSLSocket) and self._stream.sock.pending()):
                return True

    def _take(self, channel: int, data: bytes) -> bool:
        """Take in a message; whether the pod has not refused the connection."""
        if channel not in (_DATA, _ERROR):
            raise WebSocketException(f"no such channel: {channel}")
        if channel not in self._begun:
            self._begun.add(channel)
        elif channel == _ERROR:
            self.refusal += data.decode("utf-8", "replace")
            return False
        else:
            self._coming += data
        return True


@contextlib.contextmanager
def end_of(tunnel: Tunnel, pod: str) -> Iterator[Any]:
    """The near end of a tunnel, as a socket; closed with the context.

    On leaving it, raises ForwardRefused when the pod had refused the connection; and Unverifiable,
    in the place of an error of whoever speaks through it, when the tunnel was cut on the way.
    """
    end = BoundedSocket(tunnel.near)
    end.settimeout(_PATIENCE)
    try:
        yield end
    except Exception:
        if not end.ended_here and not tunnel.refusal and tunnel.is_cut and not tunnel.refusal:
            raise Unverifiable(
                f"Le tunnel de vérification vers le pod {pod} a été coupé en chemin, entre ce "
                "poste et le cluster.",
                "Relancez la commande ; si cela dure : cahier diagnostiquer",
            ) from None
        raise
    finally:
        refusal = tunnel.refusal
        end.close()
        tunnel.close()
        if refusal:  # the pod's own answer tells more than the cut that follows it
            raise ForwardRefused(refusal)
