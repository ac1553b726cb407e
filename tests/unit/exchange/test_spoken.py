"""What a server speaks, by asking it."""

from __future__ import annotations

import contextlib
import socket

import pytest

from checks.exchange import spoken as asking
from checks.exchange.spoken import Protocol, Speech, spoken
from checks.facts import ForwardRefused
from tests.support import speakers
from tests.support.speakers import Server, Speaker

REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port"
PAGE_ONLY = b"<!DOCTYPE HTML><p>Bad request syntax"  # Python's http.server, to what is no HTTP

KNOWN: list[tuple[str, Speaker, Speech | None]] = [
    ("http", speakers.http(), Speech.HTTP),
    ("http, a page that is missing", speakers.http(404), Speech.HTTP),
    ("http, a bad request", speakers.http(400), Speech.HTTP),
    ("http, strangers have no status", speakers.http(200, PAGE_ONLY), Speech.HTTP),
    ("http, strangers are left", speakers.http(200, b""), Speech.HTTP),
    ("https", speakers.https(), Speech.HTTPS),
    ("https that answers in clear", speakers.https(200, REFUSAL), Speech.HTTPS),
    ("tls that is no http", speakers.in_tls(speakers.echo), Speech.TLS),
    ("postgres", speakers.postgres(tls=True), Speech.POSTGRES),
    ("postgres, clear", speakers.postgres(tls=False), Speech.POSTGRES_WITHOUT_TLS),
    (
        "postgres, hostssl",
        speakers.postgres(tls=True, demanded=True),
        Speech.POSTGRES_IN_TLS,
    ),
    ("echo", speakers.echo, None),
    ("leaves", speakers.leaves, None),
]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_SPEAKS_FIRST", 0.02)


@pytest.mark.parametrize("first", [None, *Protocol])
@pytest.mark.parametrize(
    ("speaker", "heard"), [one[1:] for one in KNOWN], ids=[one[0] for one in KNOWN]
)
def test_it_is_heard_whatever_is_asked_first(
    speaker: Speaker, heard: Speech | None, first: Protocol | None
) -> None:
    assert spoken(Server(speaker).connect, "api", usual=first) is heard
    assert spoken(Server(speaker).connect, "api", first) is heard


def test_a_server_that_refuses_both_alike_is_not_decided() -> None:
    both = speakers.https(400, REFUSAL)
    assert spoken(Server(both).connect, "api", Protocol.HTTP) is None
    assert spoken(Server(both).connect, "api", Protocol.HTTPS) is Speech.HTTPS


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH\r\n", b"220 smtp\r\n", b"N", b"HTTP/1.1 200"])
def test_one_that_speaks_first_is_asked_nothing(words: bytes) -> None:
    server = Server(speakers.speaks_first(words))
    assert spoken(server.connect, "api") is None
    assert server.clients == 1
    assert (
        spoken(Server(speakers.speaks_first(b"SSH-2.0")).connect, "x", Protocol.POSTGRESQL) is None
    )


def test_one_that_never_answers_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_ANSWERS", 0.05)
    server = Server(speakers.silent)
    assert spoken(server.connect, "api") is None
    assert server.clients == 1


def test_one_that_does_not_understand_waits_and_is_asked_what_was_wanted_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "_WANTED_ANSWERS", 0.2)

    def lines(far: socket.socket) -> None:
        """It answers once it has a line, as many HTTP servers do."""
        heard = b""
        while b"\n" not in heard and (more := far.recv(4096)):
            heard += more
        far.sendall(b"HTTP/1.0 200 OK\r\n\r\n" if heard.startswith(b"HEAD") else PAGE_ONLY)

    assert spoken(Server(lines).connect, "api", Protocol.POSTGRESQL) is Speech.HTTP


def test_nothing_is_known_where_no_connection_is_made() -> None:
    def refused() -> contextlib.AbstractContextManager[socket.socket]:
        raise ForwardRefused("rien n’écoute")

    assert spoken(refused, "api", Protocol.HTTPS) is None


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "api.", "api_1.user-bob", "é", "a b"])
def test_any_host_may_be_asked_for(host: str) -> None:
    assert spoken(Server(speakers.https()).connect, host, Protocol.HTTPS) is Speech.HTTPS
