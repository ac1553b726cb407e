"""Streams into a pod: the WebSocket on which the API server carries a command's output, or a
connection to a port.

Each message begins with the number of its channel
(https://kubernetes.io/docs/reference/using-api/api-concepts/#websocket-protocol-changes). Import it
when one is opened.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from urllib.parse import unquote, urlsplit

from websocket import (
    ABNF,
    WebSocket,
    WebSocketBadStatusException,
    WebSocketException,
    WebSocketTimeoutException,
)

from checks.access import api_errors
from checks.access.client_settings import Settings
from checks.access.proxies import complete
from checks.refusals import Refusal
from checks.waiting import Deadline, waiting_for

WAIT = 20.0  # seconds for a stream to open, or for the rest of what has begun to come
_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
_INPUT, _OUTPUT, _STATUS = 0, 1, 3  # of the channels of a command
_CLOSING = 255  # https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
_SUCCESS = '{"status": "Success"}'
TROUBLE = (WebSocketException, OSError, ValueError)
"""What a stream that does not open, or is cut, may raise."""


def opened(settings: Settings, address: str) -> WebSocket:
    """The stream of an address of the API server. Raises TROUBLE, and AccessError without usable
    credentials."""
    parts = urlsplit(address)
    stream = WebSocket(
        sslopt={"context": settings.context(), "server_hostname": settings.server_name}
    )
    stream.settimeout(WAIT)
    said = [f"Authorization: {settings.authorization}"] if settings.authorization else []
    url = parts._replace(scheme="wss" if parts.scheme == "https" else "ws").geturl()
    with waiting_for(f"la réponse du serveur {settings.host}, pour entrer dans un pod"):
        stream.connect(url, header=said, subprotocols=_PROTOCOLS, **_through(settings))  # type: ignore[no-untyped-call]
    return stream


def _through(settings: Settings) -> dict[str, object]:
    """The proxy of a stream, if any, as the library takes it."""
    if not settings.proxy:
        return {"http_no_proxy": ["*"]}  # nor the environment's, which it would read by itself
    proxy = urlsplit(complete(settings.proxy))
    options: dict[str, object] = {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port}
    if settings.no_proxy:
        options["http_no_proxy"] = settings.no_proxy.split(",")
    if proxy.username:
        options["http_proxy_auth"] = (unquote(proxy.username), unquote(proxy.password or ""))
    return options


def execute(settings: Settings, address: str, seconds: float, most: int) -> tuple[str, str]:
    """What the command of an address has written, and the JSON Status of how it ended, "" after so
    many seconds.

    Raises TROUBLE, also once it has written more than `most` bytes.
    """
    stream = opened(settings, address)
    try:
        return read(stream, seconds, most)
    finally:
        stream.shutdown()  # type: ignore[no-untyped-call]


def asked(stream: WebSocket, line: str, seconds: float, most: int) -> tuple[str, str]:
    """What the command of a stream that is open has written since, once it was given a line that it
    repeats at the end. The rest as `execute`."""
    end = f"{line}\n".encode()
    stream.send(bytes([_INPUT]) + end, ABNF.OPCODE_BINARY)
    return read(stream, seconds, most, end)


def leave(stream: WebSocket) -> None:
    """Tell the command of a stream that no line will follow, and leave it."""
    with contextlib.suppress(*TROUBLE):
        if stream.getsubprotocol() == _PROTOCOLS[0]:
            stream.send(bytes([_CLOSING, _INPUT]), ABNF.OPCODE_BINARY)
    stream.shutdown()  # type: ignore[no-untyped-call]


def read(stream: WebSocket, seconds: float, most: int, last: bytes = b"") -> tuple[str, str]:
    """The same, of a stream that is open. `last`: the end of what is awaited, as of a command that
    has ended."""
    channels: defaultdict[int, bytearray] = defaultdict(bytearray)
    received, deadline = 0, Deadline(seconds)
    while (left := deadline.left) > 0:
        stream.settimeout(left)
        try:
            opcode, frame = stream.recv_data_frame(True)
        except WebSocketTimeoutException:
            break
        if opcode == ABNF.OPCODE_CLOSE:
            return _text(channels[_OUTPUT]), _text(channels[_STATUS])
        received += len(frame.data)
        if received > most:
            raise WebSocketException("sa réponse n’en finit pas")
        if opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and frame.data:
            channels[frame.data[0]] += frame.data[1:]
        if last and channels[_OUTPUT].endswith(last):
            return _text(channels[_OUTPUT].removesuffix(last)), _SUCCESS
    return _text(channels[_OUTPUT]), ""


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "replace")


def refused(error: Exception, namespace: str, resource: str) -> tuple[int, str, Refusal | None]:
    """What was answered in the place of a stream: its HTTP status, 0 where there was none, what it
    said, and the right that is lacking where that is why."""
    if isinstance(error, WebSocketBadStatusException):
        said, refusal = api_errors.read_refusal(
            error.status_code, error.resp_body or b"", namespace, resource
        )
        return error.status_code, said, refusal
    return 0, api_errors.reason(error), None
