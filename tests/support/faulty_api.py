"""A proxy before the real API server that spoils one answer: what networks, portals and tired
servers do to people.

It can also refuse all that needs one right, with the very answer that the API server gives to who
lacks it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import select
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.support.pretend_api import QuietServer, self_signed
from tests.support.rights import Right, needed, refusal

_PAGE = (
    "<!doctype html><title>Portail</title><p>Identifiez-vous pour accéder au réseau.</p>".encode()
)
_NOT_PASSED_ON = ("accept-encoding", "authorization")
_ENDLESS = 1 << 16  # bytes of each part of an answer that never ends
_HELD = 120.0  # seconds that a client who never leaves is kept waiting
_DROPS = 0.3  # seconds between two bytes of an answer that comes drop by drop

STATUSES = (401, 403, 404, 409, 429, 500, 503)
KINDS = (
    *(f"status-{code}" for code in STATUSES),
    "page",
    "redirect",
    "empty",
    "null",
    "array",
    "truncated",
    "items-null",
    "no-metadata",
    "no-status",
    "cut-before",
    "cut-within",
    "endless",
    "silent",
    "half",
    "drop-by-drop",
)
"""What may become of one answer. Of a tunnel, `cut-within` ends it after the first bytes that come
back, and `half` carries nothing more after them; `silent` never answers."""


@dataclass
class Faults:
    """Which request is spoilt, and how. `asked` are the requests of a run in their order, `METHOD
    path`."""

    index: int | None = None
    kind: str = ""
    denied: Right | None = None
    whose: str = ""
    asked: list[str] = field(default_factory=list)
    watches: set[socket.socket] = field(default_factory=set)
    """Those that go on, by the connection of who watches."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, index: int | None, kind: str = "") -> None:
        """Begin a run in which the request of this index is spoilt in this way; None: a run without
        a fault."""
        with self._lock:
            self.asked, self.index, self.kind, self.denied = [], index, kind, None

    def deny(self, right: Right, whose: str) -> None:
        """Begin a run in which this person lacks one right."""
        with self._lock:
            self.asked, self.index, self.kind, self.denied, self.whose = [], None, "", right, whose

    def cut(self) -> None:
        """End every watch, as a network that changes does."""
        for connection in list(self.watches):
            _shut(connection)

    def of(self, request: str) -> str:
        """The kind of fault that this request meets, "" for none."""
        with self._lock:
            self.asked.append(request)
            return self.kind if len(self.asked) - 1 == self.index else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults
    users: Mapping[str, str]
    upstreams: Mapping[str, Callable[[], ssl.SSLSocket]]

    def upstream(self) -> ssl.SSLSocket:
        """A connection to the real server as the person who asks."""
        return self.upstreams[self._who]()

    @property
    def _who(self) -> str:
        """The person whose name is the token of this request."""
        return self.headers["Authorization"].removeprefix("Bearer ")

    def _relay(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        kind = self.faults.of(f"{self.command} {self.path}")
        denied = self.faults.denied if self.faults.whose == self._who else None
        if denied is not None and denied in needed(f"{self.command} {self.path}"):
            self._refuse(denied)
        elif self.headers.get("Upgrade"):
            self._tunnel(kind)
        elif "watch=true" in self.path:
            self._watch(kind)
        else:
            self._request(kind, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _relay  # noqa: N815 (the library looks for these names)

    def _passed_on(self) -> Iterator[tuple[str, str]]:
        return (
            (key, value) for key, value in self.headers.items() if key.lower() not in _NOT_PASSED_ON
        )

    # -- ordinary requests -------------------------------------------------------------------------

    def _request(self, kind: str, body: bytes) -> None:
        if self._without_asking(kind):
            return
        with contextlib.closing(self.upstream()) as server:
            client = http.client.HTTPConnection("upstream")
            client.sock = server
            client.request(self.command, self.path, body or None, dict(self._passed_on()))
            answer = client.getresponse()
            content = answer.read()
        media = answer.headers.get("Content-Type", "application/json")
        if kind in ("half", "drop-by-drop"):
            self._write(
                answer.status, content[: len(content) // 2], media, promised=len(content) + 600
            )
            self._until_the_client_leaves(b" " if kind == "drop-by-drop" else b"")
        elif kind in ("truncated", "cut-within"):
            half = content[: len(content) // 2]
            self._write(
                answer.status, half, media, promised=len(content) if kind == "cut-within" else None
            )
            self._hang_up()
        else:
            self._write(answer.status, _spoilt(content, kind), media)

    def _watch(self, kind: str) -> None:
        """Pass events on as they come; the first one may be spoilt."""
        self.close_connection = True
        if self._without_asking(kind):
            return
        with contextlib.closing(self.upstream()) as server, contextlib.suppress(OSError):
            server.settimeout(None)  # hours may pass without a change
            client = http.client.HTTPConnection("upstream")
            client.sock = server
            client.request("GET", self.path, headers=dict(self._passed_on()))
            answer = client.getresponse()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.flush()
            self.faults.watches.add(self.connection)
            try:
                while line := answer.readline():
                    if kind in ("half", "drop-by-drop", "truncated", "cut-within"):
                        self.wfile.write(line[: len(line) // 2])
                        break
                    self.wfile.write(_spoilt(line, kind).rstrip() + b"\n")
                    kind = ""
                if kind in ("half", "drop-by-drop"):
                    self._until_the_client_leaves(b" " if kind == "drop-by-drop" else b"")
            finally:
                self.faults.watches.discard(self.connection)
        self._hang_up()

    def _without_asking(self, kind: str) -> bool:
        """Answer in the server's place; whether this was done."""
        if kind.startswith("status-"):
            code = int(kind.removeprefix("status-"))
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "message": "essai",
                "code": code,
            }
            self._write(code, json.dumps(status).encode(), "application/json")
        elif kind == "page":
            self._write(200, _PAGE, "text/html; charset=utf-8")
        elif kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "https://portail.exemple.invalid/")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "cut-before":
            self._hang_up()
        elif kind == "endless":
            self._write_endlessly()
        elif kind == "silent":
            self._until_the_client_leaves()
        else:
            return False
        return True

    def _write(self, status: int, content: bytes, media: str, promised: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(content) if promised is None else promised))
        self.end_headers()
        self.wfile.write(content)

    def _write_endlessly(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1 << 16):  # four gigabytes: nobody is to read them all
                self.wfile.write(f"{_ENDLESS:x}\r\n".encode() + b" " * _ENDLESS + b"\r\n")
        self._hang_up()

    def _refuse(self, right: Right) -> None:
        body = json.dumps(refusal(right, self.users[self._who], self.path)).encode()
        self._write(403, body, "application/json")
        if self.headers.get("Upgrade"):
            self._hang_up()

    def _until_the_client_leaves(self, drop: bytes = b"") -> None:
        """Say nothing more; or `drop`, now and then."""
        until = time.monotonic() + _HELD
        with contextlib.suppress(OSError):
            while (
                time.monotonic() < until and not select.select([self.connection], [], [], _DROPS)[0]
            ):
                self.wfile.write(drop)
        self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        _shut(self.connection)

    # -- tunnels -----------------------------------------------------------------------------------

    def _tunnel(self, kind: str) -> None:
        self.close_connection = True
        if self._without_asking("page" if kind in ("empty", "null", "array") else kind):
            return
        with contextlib.closing(self.upstream()) as server:
            head = f"{self.command} {self.path} HTTP/1.1\r\n"
            head += "".join(f"{key}: {value}\r\n" for key, value in self._passed_on())
            server.sendall(head.encode() + b"\r\n")
            _exchange(
                self.connection,
                server,
                cut=kind in ("cut-within", "truncated", "half", "drop-by-drop"),
            )
        if kind in ("half", "drop-by-drop"):
            self._until_the_client_leaves()
        self._hang_up()

    def log_message(self, *_: object) -> None:
        pass


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _exchange(client: socket.socket, server: ssl.SSLSocket, *, cut: bool) -> None:
    """Carry bytes both ways until one end leaves; `cut`: until the second time that the server has
    spoken."""
    spoken = 0
    with selectors.DefaultSelector() as both:
        both.register(client, selectors.EVENT_READ, server)
        both.register(server, selectors.EVENT_READ, client)
        while True:
            for ready, _events in both.select(30):
                source, target = ready.fileobj, ready.data
                assert isinstance(source, ssl.SSLSocket)
                with contextlib.suppress(ssl.SSLError, OSError):
                    data = source.recv(65536)
                    while source.pending():
                        data += source.recv(65536)
                    spoken += source is server
                    if data and not (cut and spoken > 1):
                        target.sendall(data)
                        continue
                return


def _spoilt(content: bytes, kind: str) -> bytes:
    if kind in ("empty", "null", "array"):
        return {"empty": b"", "null": b"null", "array": b"[]"}[kind]
    if kind not in ("items-null", "no-metadata", "no-status"):
        return content
    try:
        answer = json.loads(content)
    except ValueError:  # a log
        return content
    if kind == "items-null" and "items" in answer:
        answer["items"] = None
    part = kind.removeprefix("no-")
    if "type" in answer and kind != "items-null":  # an event of a watch
        answer = {
            **answer,
            "object": {key: value for key, value in answer["object"].items() if key != part},
        }
    for each in (answer, *(answer.get("items") or ())):
        each.pop(part, None)
    return json.dumps(answer).encode()


def _upstream(person: str, kubeconfig: Path, folder: Path) -> Callable[[], ssl.SSLSocket]:
    """Opens connections to the API server of a kubeconfig, as its person."""
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    pair = _closed(folder / f"{person}.pem")
    pair.write_bytes(
        b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key"))
    )
    context.load_cert_chain(pair)
    where = urlsplit(cluster["server"])
    host, port = where.hostname or "", where.port or 443
    return lambda: context.wrap_socket(
        socket.create_connection((host, port), 20), server_hostname=host
    )


def _closed(file: Path) -> Path:
    """An empty file that is nobody else's to read."""
    file.touch(0o600)
    return file


@contextlib.contextmanager
def faulty(people: Mapping[str, Path], folder: Path) -> Iterator[tuple[Mapping[str, Path], Faults]]:
    """Kubeconfigs of the same people, by name, that all lead through one proxy of ours, and what to
    have it spoil."""
    key, certificate = self_signed(("127.0.0.1",))
    served = _closed(folder / "proxy.pem")
    served.write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    faults = Faults()
    upstreams = {name: _upstream(name, path, folder) for name, path in people.items()}
    users = {name: f"oidc-{name}" for name in people}
    handler = type(
        "Handler", (_Handler,), {"faults": faults, "upstreams": upstreams, "users": users}
    )
    with QuietServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        reached = {
            "server": f"https://127.0.0.1:{server.server_port}",
            "certificate-authority-data": base64.b64encode(certificate).decode(),
        }
        yield {name: _through(path, reached, name, folder) for name, path in people.items()}, faults
        server.shutdown()
        thread.join()


def _through(kubeconfig: Path, cluster: Mapping[str, str], name: str, folder: Path) -> Path:
    """The kubeconfig of the same person at another address, where their name is all they have to
    show."""
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    content["clusters"][0]["cluster"] = dict(cluster)
    content["users"][0]["user"] = {"token": name}
    new = _closed(folder / f"{name}.kubeconfig")
    new.write_text(yaml.safe_dump(content), encoding="utf-8")
    return new
