"""One question in MongoDB's protocol, over a socket that is already connected: `hello`, which needs
no account. https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from socket import socket

_OP_MSG = 2013
_MOST = 2**20  # bytes of an answer
_HEADER = struct.Struct("<iiii")


@dataclass(frozen=True)
class MongoServer:
    """What a server says of itself: the addresses of its replica set, its own where it tells which
    it is; none for one that is alone."""

    names: tuple[str, ...]


class NotMongoDB(OSError):
    """What answered does not speak MongoDB's protocol, or the connection was cut; the message is
    French."""


def hello(connection: socket) -> MongoServer:
    """What the server says of itself. Raises NotMongoDB."""
    question = _document(b"\x10hello\0" + struct.pack("<i", 1) + b"\x02$db\0" + _string("admin"))
    body = struct.pack("<I", 0) + b"\0" + question
    try:
        connection.sendall(_HEADER.pack(_HEADER.size + len(body), 1, 0, _OP_MSG) + body)
        size, _, _, code = _HEADER.unpack(_read(connection, _HEADER.size))
        if code != _OP_MSG or not _HEADER.size < size <= _MOST:
            raise NotMongoDB("ce qui répond ne parle pas le protocole de MongoDB")
        return MongoServer(_names(_read(connection, size - _HEADER.size)))
    except TimeoutError:
        raise NotMongoDB("aucune réponse en 8 secondes") from None
    except ConnectionError:
        raise NotMongoDB("la connexion a été fermée sans réponse") from None


def _names(answer: bytes) -> tuple[str, ...]:
    """Those of `me`, else of `hosts`, as BSON keeps its strings; no more of it is of use here."""
    own = re.search(rb"\x02me\0....([^\0]+)\0", answer, re.DOTALL)
    if own is not None:
        return (own[1].decode(errors="replace"),)
    listed = re.search(rb"\x04hosts\0((?:....)(?:\x02\d+\0....[^\0]+\0)+)", answer, re.DOTALL)
    found = re.findall(rb"\x02\d+\0....([^\0]+)\0", listed[1], re.DOTALL) if listed else []
    return tuple(sorted(one.decode(errors="replace") for one in found))


def _document(elements: bytes) -> bytes:
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


def _string(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<i", len(data)) + data


def _read(connection: socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise NotMongoDB("la connexion a été fermée sans réponse")
        data += more
    return data
