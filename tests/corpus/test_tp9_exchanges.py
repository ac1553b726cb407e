"""What lab 9 says in a WebSocket and in MongoDB's protocol, and what it makes of the answers."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.tp9_tout_service.websocket import NotWebSocket, WebSocket
from labs.tp9_tout_service.wire import MongoServer, NotMongoDB, hello

Server = Callable[[socket.socket], object]


@contextmanager
def served(server: Server) -> Iterator[socket.socket]:
    """One end of a connection whose other end is `server`'s, which closes it when it is done."""
    here, there = socket.socketpair()
    here.settimeout(2)

    def serve() -> None:
        with there:
            there.settimeout(2)
            server(there)

    with ThreadPoolExecutor(1) as pool, here:
        done = pool.submit(serve)
        yield here
        here.close()
        done.result()


# -- MongoDB ---------------------------------------------------------------------------------------


def text(name: bytes, value: str) -> bytes:
    data = value.encode() + b"\0"
    return b"\x02" + name + b"\0" + struct.pack("<i", len(data)) + data


def document(elements: bytes) -> bytes:
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


def answering(elements: bytes) -> Server:
    def serve(there: socket.socket) -> None:
        asked = there.recv(4096)
        assert struct.unpack("<i", asked[:4])[0] == len(asked)
        assert b"hello\0" in asked
        body = struct.pack("<I", 0) + b"\0" + document(elements)
        there.sendall(struct.pack("<iiii", 16 + len(body), 7, 1, 2013) + body)

    return serve


HOSTS = b"\x04hosts\0" + document(text(b"0", "mongodb-1.h:27017") + text(b"1", "mongodb-0.h:27017"))


@pytest.mark.parametrize(
    ("elements", "names"),
    [
        (b"\x10ok\0\1\0\0\0", ()),
        (HOSTS, ("mongodb-0.h:27017", "mongodb-1.h:27017")),
        (HOSTS + text(b"me", "mongodb-1.h:27017"), ("mongodb-1.h:27017",)),
    ],
    ids=["alone", "a set", "which it is"],
)
def test_a_server_says_its_name(elements: bytes, names: tuple[str, ...]) -> None:
    with served(answering(elements)) as connection:
        assert hello(connection) == MongoServer(names)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "fermée sans réponse"),
        (b"\x10\0\0", "fermée sans réponse"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "ne parle pas le protocole de MongoDB"),
    ],
)
def test_what_is_not_mongodb_is_told(said: bytes, told: str) -> None:
    def serve(there: socket.socket) -> None:
        there.recv(4096)
        there.sendall(said)

    with served(serve) as connection, pytest.raises(NotMongoDB, match=told):
        hello(connection)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_answer_is_too_odd(said: bytes) -> None:
    def serve(there: socket.socket) -> None:
        there.recv(4096)
        there.sendall(said)

    with served(serve) as connection, suppress(NotMongoDB):
        assert isinstance(hello(connection), MongoServer)


# -- WebSocket -------------------------------------------------------------------------------------


def opened(there: socket.socket) -> None:
    """Open the WebSocket that is asked for."""
    asked = there.recv(4096).decode()
    assert "Host: relais\r\nOrigin: http://relais\r\n" in asked
    key = next(line for line in asked.split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
    salted = f"{key.partition(' ')[2]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accepted = base64.b64encode(hashlib.sha1(salted.encode()).digest()).decode()
    head = f"HTTP/1.1 101 Switching Protocols\r\nSEC-WEBSOCKET-ACCEPT: {accepted}\r\n\r\n"
    there.sendall(head.encode())


def repeating(before: str) -> Server:
    """A server that answers one text, after some words of its own."""

    def serve(there: socket.socket) -> None:
        opened(there)
        frame = there.recv(4096)
        size, mask = frame[1] & 127, frame[2:6]
        heard = bytes(byte ^ mask[at % 4] for at, byte in enumerate(frame[6 : 6 + size]))
        said = before.encode() + heard
        length = bytes([len(said)]) if len(said) < 126 else b"\x7e" + len(said).to_bytes(2, "big")
        there.sendall(b"\x81" + length + said)

    return serve


@pytest.mark.parametrize(
    "before", ["", "tableau-5d9c : ", "é" * 400], ids=["bare", "short", "long"]
)
def test_a_word_comes_back(before: str) -> None:
    with served(repeating(before)) as connection:
        assert WebSocket(connection, "relais").echo("bonjour") == f"{before}bonjour"


def refusing(said: bytes, stays: bool = False) -> Server:
    def serve(there: socket.socket) -> None:
        there.recv(4096)
        there.sendall(said)
        if stays:
            there.recv(1)

    return serve


@pytest.mark.parametrize("stays", [False, True], ids=["closed", "kept open"])
def test_a_refusal_is_told_with_its_words(stays: bool) -> None:
    said = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 5\r\n\r\nnon !\nfin"
    with served(refusing(said, stays)) as connection, pytest.raises(NotWebSocket) as caught:
        WebSocket(connection, "relais")
    assert (caught.value.status, caught.value.body) == (426, "non !")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "fermée sans réponse"),
        (b"N\0\0\0", "fermée sans réponse"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "ne vient pas d’un serveur WebSocket"),
    ],
)
def test_what_opens_no_websocket_is_told(said: bytes, told: str) -> None:
    with (
        served(refusing(said)) as connection,
        pytest.raises(NotWebSocket, match=told) as caught,
    ):
        WebSocket(connection, "relais")
    assert caught.value.status == 0


def test_a_websocket_that_is_cut_is_told() -> None:
    with served(opened) as connection:
        cut = WebSocket(connection, "relais")
        with pytest.raises(NotWebSocket, match="fermée"):
            cut.echo("bonjour")
