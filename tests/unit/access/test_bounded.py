"""Answers that never end, or never come, are given up: whoever waits for them goes on."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from websocket import WebSocket, WebSocketException

from checks.access import streams
from checks.exchange import bounded_socket
from checks.exchange.bounded_socket import BoundedSocket
from checks.exchange.http import NotHttp, get
from checks.exchange.postgres import NotPostgres, identify, refusal
from checks.redaction import redact
from tests.support.pretend_api import self_signed


@contextlib.contextmanager
def spoken_to(answer: Callable[[socket.socket], None]) -> Iterator[BoundedSocket]:
    """The near end of a connection; the far end does `answer`."""
    near, far = socket.socketpair()
    near.settimeout(5)
    end = BoundedSocket(near)

    def speak() -> None:
        with far, contextlib.suppress(OSError):
            answer(far)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        with end:
            yield end
    finally:
        speaker.join()


def for_ever(part: bytes) -> Callable[[socket.socket], None]:
    def answer(far: socket.socket) -> None:
        while True:
            far.sendall(part)

    return answer


def after(first: bytes, part: bytes) -> Callable[[socket.socket], None]:
    def answer(far: socket.socket) -> None:
        far.recv(1024)
        far.sendall(first)
        for_ever(part)(far)

    return answer


def test_what_never_ends_is_cut_as_if_the_other_had_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_socket, "_MOST", 100_000)
    with spoken_to(for_ever(b"x" * 1000)) as end:
        received = 0
        while part := end.recv(4096):
            received += len(part)
        assert received == 100_000
        assert end.recv_into(bytearray(10)) == 0
    with spoken_to(for_ever(b"x" * 1000)) as end, end.makefile("rb") as file:
        assert len(file.read()) == 100_000


def test_what_is_waited_for_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then would be waited for again and again."""
    monkeypatch.setattr(bounded_socket, "_WAITED", 0.0)
    with spoken_to(lambda far: None) as end, pytest.raises(TimeoutError):
        end.recv(1)


def test_a_short_answer_is_what_it_was() -> None:
    with spoken_to(lambda far: far.sendall(b"bonjour")) as end:
        assert (end.gettimeout(), end.recv(100), end.recv(100)) == (5, b"bonjour", b"")


@pytest.mark.parametrize(
    "answer",
    [
        after(b"", b"x" * 1000),
        after(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        after(b"HTTP/1.1 200 ", b"O" * 1000),
        after(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_an_endless_page_is_no_page(answer: Callable[[socket.socket], None]) -> None:
    with spoken_to(answer) as end, pytest.raises(NotHttp):
        get(end)


def test_an_endless_body_is_cut() -> None:
    with spoken_to(after(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000)) as end:
        assert len(get(end).body) == 65536


def notice(text: bytes) -> bytes:
    return b"N" + struct.pack("!I", len(text) + 8) + b"M" + text + b"\0\0\0"


@pytest.mark.parametrize(
    "answer",
    [
        for_ever(b"x" * 1000),
        after(b"N", b"R\xff\xff\xff\xff"),
        after(b"N", b"R" + struct.pack("!I", 60_000)),
        after(b"N", notice(b"bla")),
        after(b"N", b"R\0\0\0\4"),
    ],
)
def test_an_endless_server_is_no_server(answer: Callable[[socket.socket], None]) -> None:
    with spoken_to(answer) as end, pytest.raises(NotPostgres):
        identify(end)


def test_a_session_that_is_told_notices_for_ever_is_cut() -> None:
    with spoken_to(after(b"", notice(b"bla" * 1000))) as end, pytest.raises(OSError, match=r"."):
        refusal(end, "u", "p", "d")


def encrypted(
    folder: Path, answer: Callable[[socket.socket], None]
) -> Callable[[socket.socket], None]:
    """The same answer over TLS, as a server of the catalogue offers it."""
    key, certificate = self_signed(["base"])
    (folder / "server.pem").write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")

    def offer(far: socket.socket) -> None:
        far.recv(8)
        far.sendall(b"S")
        with context.wrap_socket(far, server_side=True) as inside:
            answer(inside)

    return offer


def test_what_is_said_over_tls_is_bounded_too(tmp_path: Path) -> None:
    endless = encrypted(tmp_path, after(b"", notice(b"bla" * 1000)))
    with spoken_to(endless) as end, pytest.raises(OSError, match=r"."):
        refusal(end, "u", "p", "d")
    with spoken_to(endless) as end:
        with pytest.raises(NotPostgres, match="n’est pas PostgreSQL"):
            identify(end)
        assert end.fileno() != -1, "the connection stays its owner’s"


def test_a_session_with_what_is_no_server_is_none() -> None:
    with (
        spoken_to(after(b"", b"\0\1\2\3" * 100)) as end,
        pytest.raises(OSError, match="n’est pas PostgreSQL"),
    ):
        refusal(end, "u", "p", "d")


@dataclass
class Frames:
    """A WebSocket that gives frames of a size, as long as it is asked."""

    size: int
    given: int = field(default=0)

    def settimeout(self, seconds: float) -> None:
        pass

    def recv_data_frame(self, control_frame: bool = False) -> Sequence[object]:
        self.given += 1
        return 2, type("Frame", (), {"data": b"x" * self.size})()


def test_a_command_in_a_pod_that_never_stops_talking_is_cut() -> None:
    frames = Frames(1000)
    with pytest.raises(WebSocketException, match="n’en finit pas"):
        streams.read(cast(WebSocket, frames), 60, 10_000)
    assert frames.given == 11
    _output, status = streams.read(cast(WebSocket, Frames(1)), 0.1, 2**40)
    assert not status, "it has not ended"


@pytest.mark.parametrize("text", ["x" * 2**20, "a-b." * 2**18, "password" * 2**16])
def test_a_long_word_is_looked_through_once(text: str) -> None:
    assert redact(text, technical=True) == text
