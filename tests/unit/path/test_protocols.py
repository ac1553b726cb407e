"""What is said of what answers: an observation, or a fault where something else was wanted."""

from __future__ import annotations

import socket

import pytest

from checks.exchange import spoken as asking
from checks.exchange.spoken import Protocol, Speech
from checks.path import lessons
from checks.path.ends import Host, Wanted, read
from checks.path.outcome import Hop
from checks.path.protocols import Client
from checks.verdict import Status
from tests.support import speakers
from tests.support.named import cluster
from tests.support.speakers import Server, Speaker

HTTP, HTTPS = Wanted(Protocol.HTTP), Wanted(Protocol.HTTPS)
POSTGRES, DISABLED, REQUIRED = (
    Wanted(Protocol.POSTGRESQL, mode) for mode in ("", "disable", "require")
)
SERVERS: dict[str, Speaker] = {
    "http": speakers.http(),
    "https": speakers.https(),
    "tls": speakers.in_tls(speakers.echo),
    "postgres": speakers.postgres(tls=True),
    "hostssl": speakers.postgres(tls=True, demanded=True),
    "clear": speakers.postgres(tls=False),
    "echo": speakers.echo,
}
UNDERSTOOD = {
    HTTP: {"http"},
    HTTPS: {"https", "tls"},
    POSTGRES: {"postgres", "hostssl", "clear"},
    DISABLED: {"postgres", "clear"},
    REQUIRED: {"postgres", "hostssl"},
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_SPEAKS_FIRST", 0.02)


def told(server: str, wanted: Wanted | None) -> list[Hop]:
    client = Client("api", 8443, wanted)
    return [*client.told(client.hears(Server(SERVERS[server]).connect), cluster())]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("wanted", UNDERSTOOD, ids=lambda one: one.address("api"))
def test_a_client_gets_on_with_what_it_wants_and_with_nothing_else(
    wanted: Wanted, server: str
) -> None:
    (hop,) = told(server, wanted)
    if server == "echo":
        assert hop.status is Status.UNVERIFIED, "nothing proves what it speaks"
    else:
        assert (hop.status is Status.PASSED) is (server in UNDERSTOOD[wanted]), hop
        assert hop.status is not Status.UNVERIFIED


@pytest.mark.parametrize("server", SERVERS)
def test_nothing_is_a_fault_where_nothing_was_wanted(server: str) -> None:
    hops = told(server, None)
    assert [one.status for one in hops] == [Status.PASSED] * (server != "echo")


@pytest.mark.parametrize(
    ("wanted", "server"),
    [(HTTP, "https"), (HTTPS, "http"), (DISABLED, "hostssl"), (REQUIRED, "clear")],
)
def test_the_address_that_is_printed_is_the_right_one(wanted: Wanted, server: str) -> None:
    (hop,) = told(server, wanted)
    right = read(cluster(), hop.fix.rpartition(" ")[2])
    assert isinstance(right, Host)
    assert (right.host, right.port) == ("api", "8443")
    (again,) = told(server, right.wanted)
    assert again.status is Status.PASSED


@pytest.mark.parametrize(
    ("hints", "asked"),
    [
        ([], 0),
        ([8443, "sans-nom", 5432], 1),
        (["postgresql"], 1),
        ([80, "postgresql"], 0),
        (["https", 5432], 0),
    ],
)
def test_what_a_port_is_called_says_what_is_asked_first_and_nothing_else(
    hints: list[int | str], asked: int
) -> None:
    """What is no packet of PostgreSQL's is noted in its log, where a person reads it."""
    strangers: list[bytes] = []

    def serve(far: socket.socket) -> None:
        first = far.recv(8, socket.MSG_PEEK)
        if first and first[:2] != b"\0\0":
            strangers.append(first)
        SERVERS["postgres"](far)

    client = Client("api", 8443)
    assert client.hears(Server(serve).connect, hints) is Speech.POSTGRES
    assert (not strangers) is bool(asked)


def test_there_are_words_for_all_that_is_heard() -> None:
    assert set(lessons.SPEECHES) == set(lessons.OBSERVED) == set(Speech)
    assert set(lessons.PROTOCOLS) == set(Protocol)
