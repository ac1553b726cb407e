"""What a client of the namespace really gets: pages and WebSockets, asked by a pod of ours."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from socket import socket

from checks.capabilities import Probe
from checks.diagnosis.workloads.program_logs import cleaned
from checks.exchange.http import HttpAnswer, NotHttp, get
from checks.facts import ForwardRefused

from .websocket import NotWebSocket, WebSocket

BROWSERS = 3  # WebSockets held together
_PATIENCE = 5.0  # seconds for each but the first
Connect = Callable[[], AbstractContextManager[socket]]


@dataclass(frozen=True)
class Silence:
    """No page came. `blocked`: what socat said of a connection that was not even made, "" where it
    was."""

    message: str
    blocked: str = ""


Page = HttpAnswer | Silence


def page(probe: Probe, target: str, host: str) -> Page:
    """What « / » gives to a client who calls it by `host`."""
    try:
        with probe.connect(target) as connection:
            return get(connection, host=host)
    except (NotHttp, ForwardRefused) as silence:
        said = probe.said(target).strip().splitlines()
        return Silence(str(silence), cleaned(said[-1]).rpartition(" E ")[2] if said else "")


@dataclass(frozen=True)
class Held:
    """WebSockets that were held together: how many, and what came of the next one, None where all
    came."""

    count: int
    failure: NotWebSocket | None = None


def held(
    connect: Connect,
    host: str,
    look: Callable[[], None] = lambda: None,
    path: str = "/ws",
    browsers: int = BROWSERS,
) -> Held:
    """How many WebSockets are opened and answer while the others stay open, as many as `browsers`;
    `look` is called while they all are. Raises nothing of its own."""
    count = 0
    try:
        with ExitStack() as stack:
            for _ in range(browsers):
                connection = stack.enter_context(connect())
                connection.settimeout(_PATIENCE)
                _echoes(WebSocket(connection, host, path))
                count += 1
            look()
    except (ForwardRefused, OSError) as refused:
        return Held(count, NotWebSocket(str(refused)))
    except NotWebSocket as failure:
        return Held(count, failure)
    return Held(count)


def _echoes(opened: WebSocket) -> None:
    """Raises NotWebSocket where a word that only we know does not come back."""
    word = secrets.token_hex(8)
    if word not in opened.echo(word):
        raise NotWebSocket("ce qui répond n’est pas ce qui a été envoyé")
