"""The page of the board answers nobody but the browser that was given its address."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from checks.board.board import Board
from checks.board.pages import Pages
from checks.board.server import serving
from checks.errors import UsageError
from tests.support.watched_api import watched_api
from tests.support.watched_class import LABS, board_of, learners

NAMES = ("ana", "bob")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with watched_api() as api:
        for name in NAMES:
            api.person(name)
        with board_of(api, tmp_path_factory.mktemp("classe"), learners(NAMES)) as board:
            yield board


@pytest.fixture(scope="module")
def address(board: Board) -> Iterator[str]:
    with serving(board, Pages("<b>2B</b>.csv", len(NAMES), LABS)) as address:
        yield address


def ask(
    address: str, rest: str = "", *, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Status, content and headers of an answer; of a stream, its first event."""
    where = urlsplit(address)
    client = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    asked = {name.replace("_", "-"): value for name, value in headers.items()}
    client.request(method, where.path + rest, headers=asked)
    answer = client.getresponse()
    if "event-stream" in answer.headers.get("Content-Type", ""):
        content = b"".join(answer.readline() for _ in range(4))
    else:
        content = answer.read()
    client.close()
    return answer.status, content.decode(), dict(answer.headers)


def test_it_listens_on_loopback_only(address: str) -> None:
    port = urlsplit(address).port or 0
    others = {
        found[4][0]
        for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        if not str(found[4][0]).startswith("127.")
    }
    for other in others:
        with pytest.raises(OSError, match=r".*"):
            socket.create_connection((str(other), port), 2).close()


def test_who_was_given_the_address_reads_the_board(address: str) -> None:
    status, page, headers = ask(address)
    assert status == 200
    assert "&lt;b&gt;2B&lt;/b&gt;.csv" in page
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"].partition("script-src")[2]
    assert not re.findall(r"(?:src|href)=[\"']https?:", page)


@pytest.mark.parametrize("rest", ["", "projeter", "flux", "flux-sans-nom", "personne/ana"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "mechant.example"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://mechant.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=lambda headers: "-".join(*headers.items()),
)
def test_another_site_is_refused(address: str, rest: str, headers: dict[str, str]) -> None:
    status, content, _ = ask(address, rest, **headers)
    assert status == 403
    assert "Ana" not in content


def test_without_its_word_the_address_leads_nowhere(address: str) -> None:
    root = address.rstrip("/").rpartition("/")[0] + "/"
    for rest in ("", "flux", "x" * 32 + "/", "%C3%A9/", "x/" + address.rpartition(":")[2]):
        status, content, _ = ask(root, rest)
        assert status == 404
        assert "Ana" not in content
    assert ask(address, method="POST")[0] == 501


def test_what_everybody_may_see_names_nobody(address: str) -> None:
    for rest in ("projeter", "flux-sans-nom"):
        status, content, _ = ask(address, rest)
        assert status == 200
        assert not re.search(r"ana|bob|Zoé", content, re.IGNORECASE)
    told = json.loads(ask(address, "flux-sans-nom")[1].partition("data: ")[2])
    assert told["sentences"][0]["count"] == len(NAMES)
    assert {row["id"] for row in json.loads(ask(address, "flux")[1].partition("data: ")[2])["rows"]}


def test_somebody_s_path_is_theirs(address: str) -> None:
    status, content, _ = ask(address, "personne/ana")
    assert status == 200
    assert "user-ana" in content
    assert ask(address, "personne/..%2F")[0] == 404


def test_a_port_that_is_taken_is_told(board: Board, address: str) -> None:
    taken = urlsplit(address).port or 0
    with (
        pytest.raises(UsageError, match=str(taken)),
        serving(board, Pages("x", 1, LABS), taken),
    ):
        pass
