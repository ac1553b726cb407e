"""The opening of PostgreSQL's protocol: is it PostgreSQL, which server is it, and does it open a
session.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from socket import SHUT_RDWR, socket

from checks.exchange.tls import Encrypted, Stream
from checks.facts import ForwardRefused

_PROTOCOL_3 = 196608
_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_TERMINATE = b"X\x00\x00\x00\x04"
_AUTHENTICATIONS = (0, 2, 3, 5, 6, 7, 8, 9, 10)  # all that there are
_AUTHENTICATION_SASL = 10
_AUTHENTICATION_SASL_CONTINUE = 11
_NO_ENTRY = "28000"  # pg_hba.conf lets nobody in this way; a password would be another code
# Nobody's name. For a user that does not exist PostgreSQL answers with a salt made from the name
# and from a secret drawn at initdb (mock_authentication_nonce): the same at each call, another on
# each server.
# https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/libpq/auth-scram.c
# (mock_scram_secret)
_NOBODY = "cahier-kubernetes-verification"


class NotPostgres(Exception):
    """What answered is not PostgreSQL, or the connection was cut; the message is French."""


class Silence(NotPostgres):
    """Nothing was answered for as long as the connection waits."""

    def __init__(self) -> None:
        super().__init__("aucune réponse dans le délai")


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server. Two with the same `fingerprint` are the same; None: it could not be
    taken."""

    fingerprint: str | None
    refusal: str = ""
    code: str = ""
    """PostgreSQL's own for the refusal."""


def is_postgres(connection: socket) -> bool:
    """Whether PostgreSQL answers on `connection`, which is left unusable. Raises NotPostgres."""
    offers_tls(connection)
    return True


def offers_tls(connection: socket) -> bool:
    """Whether the PostgreSQL that answers on `connection` offers TLS; a session may then begin
    there. Raises NotPostgres."""
    _send(connection, _SSL_REQUEST)
    answer = _receive(connection, 1)
    if answer not in (b"S", b"N"):
        raise NotPostgres("ce qui répond n’est pas PostgreSQL")
    return answer == b"S"


def identify(connection: socket) -> PostgresServer:
    """The server behind `connection`, without logging in, encrypted where it offers that, as psql
    does. Raises NotPostgres."""
    return _introduced(_as_offered(connection))


class Encryption(Enum):
    """What a PostgreSQL server does about TLS."""

    NONE = "none"
    OFFERED = "offered"
    DEMANDED = "demanded"


def encryption(connect: Callable[[], AbstractContextManager[socket]]) -> Encryption:
    """What the PostgreSQL to which `connect` leads does about TLS. It demands it where the same
    nobody is asked for a password in TLS, and turned away in clear. Raises NotPostgres, and what
    `connect` raises."""
    with connect() as connection:
        stream = _as_offered(connection)
        inside = _introduced(stream)
    if stream is connection:
        return Encryption.NONE
    with contextlib.suppress(NotPostgres, ForwardRefused, OSError), connect() as connection:
        if not inside.refusal and _introduced(connection).code == _NO_ENTRY:
            return Encryption.DEMANDED
    return Encryption.OFFERED


def _as_offered(connection: socket) -> socket | Encrypted:
    """`connection`, encrypted where the server offers that. Raises NotPostgres."""
    return Encrypted(connection) if offers_tls(connection) else connection


def _introduced(connection: Stream) -> PostgresServer:
    words = ["user", _NOBODY, "database", "postgres", "application_name", "cahier-kubernetes"]
    body = (
        struct.pack("!I", _PROTOCOL_3) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    )
    _send(connection, struct.pack("!I", len(body) + 4) + body)
    kind, payload = _message(connection)
    if kind == b"E":
        return PostgresServer(None, _field(payload, b"M"), _field(payload, b"C"))
    asked = _authentication(kind, payload)
    if asked not in _AUTHENTICATIONS:
        raise NotPostgres("ce qui répond n’est pas PostgreSQL")
    if asked != _AUTHENTICATION_SASL:
        with contextlib.suppress(OSError):
            connection.sendall(_TERMINATE)
        return PostgresServer(None)
    first = b"n,,n=,r=Y2FoaWVyLWt1YmVybmV0ZXM"
    initial = b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first
    _send(connection, b"p" + struct.pack("!I", len(initial) + 4) + initial)
    kind, payload = _message(connection)
    if _authentication(kind, payload) != _AUTHENTICATION_SASL_CONTINUE:
        return PostgresServer(None, _field(payload, b"M"), _field(payload, b"C"))
    fields = dict(
        part.partition("=")[::2] for part in payload[4:].decode("utf-8", "replace").split(",")
    )
    return PostgresServer(fields.get("s"))


def _authentication(kind: bytes, payload: bytes) -> int:
    """What a server asks of a client, -1 where it says something else."""
    return int(struct.unpack("!I", payload[:4])[0]) if kind == b"R" and len(payload) >= 4 else -1


def refusal(connection: socket, user: str, password: str, database: str) -> tuple[str, str]:
    """PostgreSQL's error code and message, both "" when the session opens. Raises OSError when it
    is cut."""
    from pg8000 import native  # slow to load, needed here only
    from scramp import core

    core.saslprep = _as_libpq

    class Session(native.Connection):  # type: ignore[misc]
        def close(self) -> None:
            """Hang up without a goodbye. A server that has refused us is gone already: what is
            written to it then resets the connection, for which a kubectl of 1.37 ends the learner's
            whole tunnel."""
            with contextlib.suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    try:
        session = Session(
            user,
            sock=_as_offered(connection),
            ssl_context=False,
            database=database,
            password=password,
        )
        session.run("select 1")
        session.close()
    except native.DatabaseError as error:
        said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        return str(said.get("C", "?")), str(said.get("M", error))
    except (NotPostgres, native.InterfaceError) as error:
        raise OSError(str(error)) from None
    except OSError:
        raise
    except Exception as nonsense:  # the driver believes whatever is answered
        raise OSError("ce qui répond n’est pas PostgreSQL") from nonsense
    return "", ""


def _as_libpq(text: str) -> str:
    """A password as psql and the server prepare it: one that SASLprep forbids (a line feed) is
    taken as it is.

    https://github.com/postgres/postgres/blob/REL_15_STABLE/src/interfaces/libpq/fe-auth-scram.c
    (scram_init)
    """
    from scramp.utils import ScramException, saslprep

    try:
        return str(saslprep(text))
    except ScramException:
        return text


def _message(connection: Stream) -> tuple[bytes, bytes]:
    head = _receive(connection, 5)
    size = struct.unpack("!I", head[1:])[0] - 4
    if not 0 <= size < 65536:
        raise NotPostgres("ce qui répond n’est pas PostgreSQL")
    return head[:1], _receive(connection, size)


def _field(payload: bytes, kind: bytes) -> str:
    """A field of an error, "" where it has none such."""
    for field in payload.split(b"\0"):
        if field[:1] == kind:
            return field[1:].decode("utf-8", "replace")
    return ""


def _send(connection: Stream, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError as error:  # closed or reset: chance alone decides which
        raise NotPostgres("la connexion a été fermée sans réponse") from error


def _receive(connection: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            part = connection.recv(size - len(data))
        except TimeoutError as error:
            raise Silence from error
        except OSError as error:
            raise NotPostgres("la connexion a été fermée sans réponse") from error
        if not part:
            raise NotPostgres("la connexion a été fermée sans réponse")
        data += part
    return data
