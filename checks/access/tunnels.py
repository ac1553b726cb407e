"""Our own tunnels to a pod's port: the client library's, told apart when they end.

A pod that ends a connection is followed by the server's own goodbye (WebSocket close, code 1000; seen on Kubernetes
1.37, also for a pod that refuses). A tunnel that ends without one was cut between us and the pod: nobody's mistake.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes.stream import ws_client
from websocket import ABNF, WebSocket, WebSocketException

from checks.errors import Unverifiable
from checks.exchange.bounded_socket import BoundedSocket
from checks.facts import ForwardRefused

_THREAD = "Kubernetes port forward proxy"  # the library's own name for it
WAIT = 20.0  # seconds for a stream to open
_PONG = 3.0  # seconds for a ping to come back
_GOODBYE = 5.0  # seconds: websocket-client waits three for the other side's goodbye
_NORMAL = 1000  # https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
_PATIENCE = 8.0  # seconds for a pod to say a word


@dataclass
class _Ending:
    """How the server's side of a tunnel ended, as far as it has."""

    goodbye: bool = False
    cut: bool = False
    answer: bytes = b""
    """What came back of the last ping."""


@contextlib.contextmanager
def end_of(tunnel: Any, port: int, pod: str) -> Iterator[Any]:
    """The near end of a tunnel of the library, as a socket; closed with the context.

    On leaving it, raises ForwardRefused when the pod had refused the connection; and Unverifiable, in the place of an
    error of whoever speaks through it, when the tunnel was cut on the way.
    """
    ending = _watched(tunnel.websocket)
    end = BoundedSocket(tunnel.socket(port))
    end.settimeout(_PATIENCE)
    cut = False
    try:
        yield end
    except Exception:
        cut = not end.ended_here and not tunnel.error(port) and _is_cut(tunnel, ending)
        if cut and not tunnel.error(port):
            raise Unverifiable(
                f"Le tunnel de vérification vers le pod {pod} a été coupé en chemin, entre ce poste et le cluster.",
                "Relancez la commande ; si cela dure : cahier diagnostiquer",
            ) from None
        raise
    finally:
        refused = tunnel.error(port)
        end.close()
        if _ended(tunnel):
            tunnel.websocket.shutdown()
        if refused:  # the pod's own answer tells more than the cut that follows it
            raise ForwardRefused(refused)


def _is_cut(tunnel: Any, ending: _Ending) -> bool:
    """Whether something between us and the node keeps the tunnel from carrying more."""
    return ending.cut or not (ending.goodbye or (_threads(tunnel) and _answers(tunnel, ending)))


def _answers(tunnel: Any, ending: _Ending) -> bool:
    """Whether the node of the pod still answers, at the other end of a tunnel: the program there may say nothing.

    The kubelet returns a ping, as https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3 demands (Kubernetes 1.37).
    """
    word = uuid.uuid4().bytes
    until = time.monotonic() + _PONG
    with contextlib.suppress(WebSocketException, OSError):
        tunnel.websocket.ping(word)
        while tunnel.websocket.connected and ending.answer != word and not (ending.goodbye or ending.cut):
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
    return not ending.cut  # where it is closed without one, it is by ourselves


def _watched(websocket: Any) -> _Ending:
    """Note what the library's thread receives last: it keeps it to itself."""
    ending, receive = _Ending(), websocket.recv_data_frame

    def noted(control_frame: bool = False) -> Any:
        try:
            opcode, frame = receive(control_frame)
        except Exception:
            ending.cut = True
            raise
        if opcode == ABNF.OPCODE_PONG:
            ending.answer = bytes(frame.data)
        if opcode == ABNF.OPCODE_CLOSE:
            normal = len(frame.data) >= 2 and struct.unpack("!H", frame.data[:2])[0] == _NORMAL
            ending.goodbye, ending.cut = normal, not normal
        return opcode, frame

    websocket.recv_data_frame = noted
    return ending


def bounded(websocket: Any, most: int, seconds: float) -> None:
    """Have a WebSocket raise WebSocketException once it has given `most` bytes, or lasted `seconds`: the library reads
    on for as long as something comes."""
    receive, until, received = websocket.recv_data_frame, time.monotonic() + seconds, 0

    def counted(control_frame: bool = False) -> Any:
        nonlocal received
        opcode, frame = receive(control_frame)
        received += len(frame.data)
        if received > most or time.monotonic() > until:
            raise WebSocketException("sa réponse n’en finit pas")
        return opcode, frame

    websocket.recv_data_frame = counted


def _threads(tunnel: Any) -> list[threading.Thread]:
    """The thread of this tunnel, while it lives."""
    return [one for one in threading.enumerate() if getattr(getattr(one, "_target", None), "__self__", None) is tunnel]


def _ended(tunnel: Any) -> bool:
    """Wait for the thread of this tunnel, and of no other. Its socket must not be closed under it: the thread would
    read from the next connection that gets the same descriptor."""
    for thread in _threads(tunnel):
        thread.join(_GOODBYE)
        return not thread.is_alive()
    return True


class _Stream(WebSocket):
    """A stream that does not wait for ever to open, or for the rest of what has begun to come."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.settimeout(WAIT)


def wait_no_longer() -> None:
    """Have the library's streams give up on a server that is silent: it makes them itself, and sets no limit."""
    vars(ws_client)["WebSocket"] = _Stream


def silence_cut_tunnels() -> None:
    """A tunnel that the server cuts is told by the check that uses it, not by a traceback of its thread."""
    otherwise = threading.excepthook

    def hook(problem: threading.ExceptHookArgs) -> None:
        if problem.thread is not None and problem.thread.name.startswith(_THREAD):
            logging.getLogger(__name__).debug("tunnel cut: %s", problem.exc_value)
        else:
            otherwise(problem)

    threading.excepthook = hook
