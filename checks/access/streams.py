"""Streams into a pod, a command or a tunnel, as the Kubernetes client library opens them.

Import it when one is opened: the library loads all of itself, in half a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream.ws_client import portforward_call, websocket_call
from websocket import WebSocketBadStatusException, WebSocketException

from checks.access import api_errors, tunnels
from checks.access.client_settings import Settings
from checks.refusals import Refusal
from checks.waiting import waiting_for

_ERRORS = 3  # the channel on which Kubernetes tells how a command has ended
TROUBLE = (ApiException, WebSocketException, OSError, urllib3.exceptions.HTTPError)
"""What a stream that does not open, or is cut, may raise."""

tunnels.silence_cut_tunnels()
tunnels.wait_no_longer()


def execute(settings: Settings, url: str, seconds: float, most: int) -> tuple[str, str]:
    """What the command of `url` has written, and the JSON Status of how it ended, "" after `seconds`. Raises TROUBLE,
    also once it has written more than `most` bytes."""
    process = _opened(websocket_call, settings, url)
    tunnels.bounded(process.sock, most, seconds)
    try:
        process.run_forever(timeout=seconds)
        return str(process.read_stdout(timeout=1) or ""), str(process.read_channel(_ERRORS) or "")
    finally:
        process.sock.shutdown()  # `close` leaves the socket open when the server has said goodbye first


def tunnel(settings: Settings, url: str) -> Any:
    """The tunnel of `url`, to a port of a pod, as the library makes it. Raises TROUBLE."""
    return _opened(portforward_call, settings, url)


def _opened(open_stream: Callable[..., Any], settings: Settings, url: str) -> Any:
    """A stream of the transport itself: the generated methods that lead to it load every API first."""
    asked: Any = client.Configuration()
    asked.host, asked.verify_ssl, asked.tls_server_name = settings.host, settings.verify_ssl, settings.tls_server_name
    asked.ssl_ca_cert, asked.cert_file, asked.key_file = settings.authority, settings.certificate, settings.key
    asked.proxy, asked.no_proxy, asked.proxy_headers = settings.proxy, settings.no_proxy, settings.proxy_headers
    headers = {"authorization": settings.authorization} if settings.authorization else {}
    with waiting_for(f"la réponse du serveur {settings.host}, pour entrer dans un pod"):
        return open_stream(asked, "GET", url, headers=headers, _preload_content=False)


def refused(error: Exception, namespace: str, resource: str) -> tuple[int, str, Refusal | None]:
    """What was answered in the place of a stream: its HTTP status, 0 where there was none, what it said, and the right
    that is lacking where that is why.

    Raises KeyboardInterrupt, of which the library makes an error of its own.
    """
    below = error.__context__ if isinstance(error, ApiException) and error.__context__ else error
    if isinstance(below, KeyboardInterrupt):
        raise below
    if isinstance(below, WebSocketBadStatusException):
        said, refusal = api_errors.read_refusal(below.status_code, below.resp_body or b"", namespace, resource)
        return below.status_code, said, refusal
    if isinstance(below, ApiException):
        return 0, str(below.reason or below.status), None
    return 0, api_errors.reason(below), None
