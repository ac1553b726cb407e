"""A pretend API server on this machine, and a proxy that leads to it: what a real cluster cannot be
made to do."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import ipaddress
import json
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "cluster.exemple.invalid"
"""A name that its certificate bears and no DNS knows: only a proxy leads there."""


@dataclass
class Answers:
    """What the pretend API server answers."""

    status: int = 200
    user: str = "oidc-alice"
    version: tuple[int, int] = (1, 37)
    ahead: timedelta = timedelta()
    denied: Sequence[str] = ()
    """Rights that we lack: `create roles`, `create pods/exec`."""
    objects: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Last part of a path to what is listed there."""
    authorizations: list[str] = field(default_factory=list)
    """What each request said of who asks."""
    accepted: Container[str] | None = None
    """The only ones that are known, where not every one is; a client certificate is
    "certificate"."""
    impersonations: list[Sequence[tuple[str, str]]] = field(default_factory=list)
    """For whom each request was made."""

    def to(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        kind = path.rpartition("/")[2]
        if kind == "version":
            return {"major": str(self.version[0]), "minor": f"{self.version[1]}+"}
        if kind == "selfsubjectreviews":
            return {"status": {"userInfo": {"username": self.user}}}
        if kind == "selfsubjectaccessreviews":
            asked = body["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
            ours = (
                asked["namespace"] == "user-alice"
                and f"{asked['verb']} {resource}" not in self.denied
            )
            owner = '"full_control_namespace/user-alice"'
            reason = f'RBAC: allowed by RoleBinding {owner} of ClusterRole "admin"'
            return {"status": {"allowed": ours, "reason": reason if ours else ""}}
        return listed(self.objects.get(kind, ()))


def listed(items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A list as a real server answers it."""
    return {"metadata": {}, "items": [_whole(item) for item in items]}


def _whole(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object with what a real server never leaves out."""
    always = {"uid": "une-identite", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"spec": {}, "status": {}, **item, "metadata": {**always, **item["metadata"]}}


@dataclass(frozen=True)
class Pretender:
    """A running pretend API server."""

    answers: Answers
    port: int
    authority: bytes

    def kubeconfig(self, file: Path, *, server: str = "", **user: str) -> Path:
        """Write a kubeconfig for it, closed to others."""
        cluster = {
            "server": server or f"https://127.0.0.1:{self.port}",
            "certificate-authority-data": base64.b64encode(self.authority).decode(),
        }
        content = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user or {"token": "opaque"}}],
            "contexts": [
                {
                    "name": "essai",
                    "context": {"cluster": "c", "user": "u", "namespace": "user-alice"},
                }
            ],
            "current-context": "essai",
        }
        file.write_text(yaml.safe_dump(content))
        file.chmod(0o600)
        return file


class _Handler(BaseHTTPRequestHandler):
    answers: Answers

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Mapping[str, Any]) -> None:
        path = self.path.partition("?")[0]
        said = self.headers.get("Authorization", "")
        if isinstance(self.connection, ssl.SSLSocket) and self.connection.getpeercert():
            said = f"{said} certificate".strip()
        self.answers.authorizations.append(said)
        named = [
            (name.lower(), value)
            for name, value in self.headers.items()
            if name.startswith("Impersonate-")
        ]
        self.answers.impersonations.append(sorted(named))
        known = self.answers.accepted is None or said in self.answers.accepted
        status = self.answers.status if known else 401
        content = json.dumps(self.answers.to(path, body) if status == 200 else {"message": "non"})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def date_time_string(self, timestamp: float | None = None) -> str:
        return email.utils.formatdate(time.time() + self.answers.ahead.total_seconds(), usegmt=True)

    def log_message(self, *_: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    """A server that says nothing of clients who leave or refuse its certificate."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that refuses our certificate


@contextlib.contextmanager
def pretend(
    folder: Path,
    answers: Answers,
    *,
    encrypted: bool = True,
    ends: timedelta = timedelta(days=1),
    names: Sequence[str] = ("127.0.0.1", NAME),
) -> Iterator[Pretender]:
    """Serve `answers`; the certificate bears `names` and ends after `ends`."""
    key, certificate = self_signed(names, ends)
    handler = type("Handler", (_Handler,), {"answers": answers})
    with QuietServer(("127.0.0.1", 0), handler) as server:
        if encrypted:
            (folder / "server.pem").write_bytes(key + certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "server.pem")
            # a client may show the server's own certificate
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(folder / "server.pem")
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield Pretender(answers, server.server_port, certificate)
        server.shutdown()
        thread.join()


def self_signed(names: Sequence[str], lasts: timedelta = timedelta(days=1)) -> tuple[bytes, bytes]:
    """Key and certificate, in PEM, of a server of these names."""
    ends = datetime.now(UTC) + lasts
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pare-feu de l’université")])
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=30))
        .not_valid_after(ends)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class _Proxy(BaseHTTPRequestHandler):
    target: int
    refuses: bool
    asked: Callable[[str, str], None]

    def do_CONNECT(self) -> None:
        self.asked(self.path, self.headers.get("Proxy-Authorization", ""))
        if self.refuses:
            self.send_error(403, "Forbidden")
            return
        self.send_response(200)
        self.end_headers()
        with (
            socket.create_connection(("127.0.0.1", self.target), 5) as server,
            selectors.DefaultSelector() as both,
        ):
            both.register(self.connection, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, self.connection)
            while True:
                for ready, _events in both.select(5):
                    assert isinstance(ready.fileobj, socket.socket)
                    data = ready.fileobj.recv(65536)
                    if not data:
                        return
                    ready.data.sendall(data)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def proxy(target: int, *, refuses: bool = False) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """A proxy that leads to `target` on this machine, whatever it is asked for; its port, and what
    it is asked."""
    asked: list[tuple[str, str]] = []
    attributes = {
        "target": target,
        "refuses": refuses,
        "asked": lambda self, *words: asked.append(words),
    }
    with QuietServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), attributes)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()
