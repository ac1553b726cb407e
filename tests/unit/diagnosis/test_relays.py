"""What relays do and say, without a cluster: clients met at once, servers behind TLS, manifests and
logs read."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from checks.capabilities import Cluster
from checks.diagnosis.databases import relays
from checks.diagnosis.databases.relay_failures import Unanswered, misdirected, unanswered
from checks.diagnosis.databases.relay_manifest import Target, listening_ports, targets
from checks.diagnosis.databases.relays import Served, Stranger, served
from checks.diagnosis.workloads.program_logs import Trouble, cleaned, told
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, PostgresServer, Silence, identify, is_postgres
from checks.facts import Colleague, ForwardRefused, Pod
from checks.sources.snapshot import Local, Log, Snapshot, SnapshotCluster, view
from checks.verdict import Diagnostic
from tests.support.pretend_api import self_signed

THERE = "base-rw.user-alice.svc.cluster.local"


# -- a manifest ------------------------------------------------------------------------------------


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "relais", "image": "alpine/socat:1.7.4.4", **fields}


def seen(
    *containers: dict[str, Any], objects: dict[str, list[Any]] | None = None, **spec: Any
) -> tuple[Cluster, Pod]:
    """A namespace that holds one relaying pod, and nothing that could be tried."""
    metadata = {
        "name": "pg-proxy",
        "namespace": "user-bob",
        "uid": "1",
        "creationTimestamp": "2026-11-28T08:00:00Z",
    }
    pods = [
        {
            "metadata": metadata,
            "spec": {"containers": list(containers), **spec},
            "status": {"phase": "Running"},
        }
    ]
    kinds: dict[str, list[Any]] = {
        "Pod": pods,
        "Service": [],
        "ConfigMap": [],
        "EndpointSlice": [],
        **(objects or {}),
    }
    colleague = Colleague("user-alice", "oidc-alice")
    snapshot = Snapshot(
        taken=datetime.now(UTC), namespace="user-bob", colleague=colleague, objects=kinds
    )
    cluster = SnapshotCluster(snapshot)
    return cluster, cluster.pods()[0]


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 5432}], **spec}}


SCRIPT = f"""
# before, wrong: socat TCP-LISTEN:5432,fork TCP:base-rw:5432
echo "relais tcp:pg-proxy:5432 en route"; printf 'vers %s' tcp:autre:5432
exec socat TCP-LISTEN:5432,fork TCP:{THERE}:5432 # and not TCP:base-rw:5432
"""


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["TCP-LISTEN:5432,fork", f"TCP:{THERE}:5432"], [f"{THERE}:5432"]),
        (
            ["tcp4-l:5432", "tcp-connect:base-rw.user-alice.:postgresql"],
            ["base-rw.user-alice.:postgresql"],
        ),
        ([f"-L=tcp://:5432/{THERE}:5432"], [f"{THERE}:5432"]),
        (["-L=tcp://0.0.0.0:5432/base-rw:5432"], ["base-rw:5432"]),
        (["postgres://bob:1234@base-rw.user-alice:5432/defaultdb"], ["base-rw.user-alice:5432"]),
        (
            [
                "TCP-LISTEN:15432,bind=127.0.0.1",
                "TCP:127.0.0.1:5433",
                "TCP:localhost:5433",
                "TCP:[::1]:5433",
            ],
            [],
        ),
        (["sh", "-c", SCRIPT], [f"{THERE}:5432"]),
        (
            ["sh", "-c", "socat TCP-LISTEN:1,fork TCP:a:1 & socat TCP-LISTEN:2,fork TCP:b:2"],
            ["a:1", "b:2"],
        ),
        (["TCP:$(CIBLE):5432", "TCP:$INCONNUE:5432"], ["ici:5432"]),
        (["haproxy", "-f", "/etc/haproxy.cfg"], []),
        (["TCP:10.0.0.7:5432", "TCP:[fd00::7]:5432"], ["10.0.0.7:5432", "[fd00::7]:5432"]),
    ],
)
def test_each_address_of_a_manifest_is_considered(
    words: Sequence[str], written: Sequence[str]
) -> None:
    cluster, pod = seen(container(args=list(words), env=[{"name": "CIBLE", "value": "ici"}]))
    assert sorted(map(str, targets(cluster, pod))) == sorted(written)


def test_sidecars_and_mounted_configurations_are_read_too() -> None:
    configuration = (
        "# server old base:1\nlisten pg\n  bind :5432\n  server base base-rw.user-zoe:5432 check\n"
    )
    cluster, pod = seen(
        container(command=["haproxy"]),
        initContainers=[
            container(name="avant", args=["TCP:once:1"]),
            container(
                name="toujours",
                restartPolicy="Always",
                args=["TCP-LISTEN:15432,fork", "TCP:beside:2"],
            ),
        ],
        volumes=[{"name": "c", "configMap": {"name": "relais"}}],
        objects={
            "ConfigMap": [
                {"metadata": {"name": "relais"}, "data": {"haproxy.cfg": configuration}},
                {"metadata": {"name": "autre"}, "data": {"a": "TCP:unmounted:1"}},
            ]
        },
    )
    assert sorted(map(str, targets(cluster, pod))) == ["base-rw.user-zoe:5432", "beside:2"]
    assert listening_ports(pod) == {15432}


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        ("base-rw", "user-bob"),
        ("base-rw.", "user-bob"),
        ("base-rw.user-alice", "user-alice"),
        (f"{THERE}.", "user-alice"),
        ("base-rw.user-alice.svc", "user-alice"),
        ("base-1.base-headless.user-alice.svc.cluster.local", "user-alice"),
        ("10-0-0-7.user-alice.pod.cluster.local", "user-alice"),
        ("svc.user-alice", "user-alice"),
        ("www.exemple.fr", None),
        ("10.0.0.7", None),
        ("[fd00::7]", None),
    ],
)
def test_a_name_says_its_namespace(host: str, namespace: str | None) -> None:
    assert Target(host, "5432").namespace("user-bob") == namespace


def elsewhere() -> Stranger | None:
    return Stranger("")


def refused() -> Stranger | None:
    raise ForwardRefused("refused")


def unseen() -> Stranger | None:
    raise Unverifiable("from afar")


SELECTORLESS = service("base-rw")
OWN = service("base-rw", selector={"app": "x"}, clusterIP="10.0.0.9")
SLICE = {
    "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "base-rw"}},
    "endpoints": [{"addresses": ["10.0.0.7"]}],
}


@pytest.mark.parametrize(
    ("target", "objects", "follow", "said"),
    [
        ("base-rw", {}, elsewhere, "un nom court"),
        ("base-rw", {}, refused, "un nom court"),
        ("base-rw", {}, unseen, "un nom court"),
        ("base-rw", {"Service": [OWN]}, elsewhere, "un nom court"),
        ("base-rw", {"Service": [SELECTORLESS]}, refused, "n’a aucune adresse"),
        ("base-rw", {"Service": [SELECTORLESS], "EndpointSlice": [SLICE]}, refused, ""),
        ("base-rw", {"Service": [service("base-rw", externalName=THERE)]}, refused, ""),
        ("base-rw.user-zoe", {}, elsewhere, "user-zoe"),
        ("10.0.0.7", {}, refused, "l’adresse « 10.0.0.7:5432 »"),
        ("base.exemple.fr", {}, refused, "n’est pas un nom de Service"),
        (THERE, {}, refused, ""),
        ("base-1.base.user-alice", {}, elsewhere, ""),
        ("127.0.0.1", {}, refused, ""),
    ],
)
def test_a_manifest_explains_what_has_failed(
    target: str, objects: dict[str, list[Any]], follow: Callable[[], Stranger | None], said: str
) -> None:
    cluster, pod = seen(
        container(args=["TCP-LISTEN:5432,fork", f"TCP:{target}:5432"]), objects=objects
    )
    found = misdirected(cluster, pod, follow)
    assert said in found.finding if found is not None and said else (found is None) == (not said)


@pytest.mark.parametrize(
    "target", ["base-rw", "base-rw.user-zoe", "10.0.0.7", "base.exemple.fr", "127.0.0.1"]
)
def test_a_manifest_never_refuses_what_works(target: str) -> None:
    cluster, pod = seen(container(args=[f"TCP:{target}:5432"]), objects={"Service": [SELECTORLESS]})
    assert misdirected(cluster, pod, lambda: None) is None


@pytest.mark.parametrize(
    ("words", "objects"),
    [(["TCP:10.0.0.7:5432"], {}), (["TCP:base-rw:5432"], {"Service": [OWN]}), (["haproxy"], {})],
)
def test_what_a_manifest_does_not_settle_stays_open_from_afar(
    words: list[str], objects: dict[str, list[Any]]
) -> None:
    cluster, pod = seen(container(args=words), objects=objects)
    with pytest.raises(Unverifiable):
        misdirected(cluster, pod, unseen)


# -- a log -----------------------------------------------------------------------------------------

SOCAT = "2026/11/28 10:00:00 socat[7] E "
LOGS = [
    (
        SOCAT + 'getaddrinfo("b.c", "5432", {1,2,1,6}, {}): Name or service not known',
        Trouble.UNKNOWN_HOST,
        "b.c",
    ),
    (
        SOCAT + 'getaddrinfo("b.c", "5432", {1,2,1,6}, {}): Name does not resolve',
        Trouble.UNKNOWN_HOST,
        "b.c",
    ),
    (
        SOCAT + 'getaddrinfo("b", "pg", {1,2,1,6}, {}): Servname not supported for ai_socktype',
        Trouble.UNKNOWN_PORT,
        "b",
    ),
    (
        SOCAT + 'getaddrinfo("b", "pg", {1,2,1,6}, {}): Unrecognized service',
        Trouble.UNKNOWN_PORT,
        "b",
    ),
    (
        SOCAT + 'getaddrinfo"b.c", "pg", {1,0,1,0}, {}): Servname not supported',
        Trouble.UNKNOWN_PORT,
        "b.c",
    ),
    (SOCAT + "connect(5, AF=2 10.96.3.4:5433, 16): Connection refused", Trouble.REFUSED, ""),
    (SOCAT + "connect(5, AF=2 10.96.3.4:5432, 16): Connection timed out", Trouble.SILENT, ""),
    (
        "[ALERT] (1) : config : 'server pg/base' : could not resolve address 'b.c'.",
        Trouble.UNKNOWN_HOST,
        "b.c",
    ),
    (
        'nginx: [emerg] host not found in upstream "b.c:5432" in /etc/nginx/nginx.conf:5',
        Trouble.UNKNOWN_HOST,
        "b.c",
    ),
    (
        "2026-11-28 10:00:00 [error] connect() failed (111: Connection refused) while",
        Trouble.REFUSED,
        "",
    ),
    (
        "2026-11-28 10:00:00.1 UTC [1] WARNING DNS lookup failed: b.c: result=0",
        Trouble.UNKNOWN_HOST,
        "b.c",
    ),
    (
        "level=error msg=x: dial tcp: lookup b.c on 10.96.0.10:53: no such host",
        Trouble.UNKNOWN_HOST,
        "b.c",
    ),
    ("dial tcp 10.96.3.4:5432: i/o timeout", Trouble.SILENT, ""),
    (
        "socket.gaierror: [Errno -8] Servname not supported for ai_socktype",
        Trouble.UNKNOWN_PORT,
        "",
    ),
    ("Error: getaddrinfo ENOTFOUND b.c", Trouble.UNKNOWN_HOST, ""),
]


@pytest.mark.parametrize(("line", "trouble", "host"), LOGS)
def test_the_words_of_common_tools_are_known(line: str, trouble: Trouble, host: str) -> None:
    found = told(f"all is well\n{line}\nbye")
    assert found is not None
    assert (found.trouble, found.host) == (trouble, host)


def test_the_last_trouble_is_the_one_that_counts() -> None:
    found = told(f"{SOCAT}connect: Connection refused\n{SOCAT}connect: Connection timed out\n")
    assert found is not None
    assert found.trouble is Trouble.SILENT
    assert told("started\nready\n") is None


def test_a_quoted_message_is_short_and_plain() -> None:
    assert cleaned(f"{SOCAT}\x1b[31mnon\x1b[0m\x07") == "non"
    assert len(cleaned("x" * 1000)) <= 201


# -- a base that refuses ---------------------------------------------------------------------------


SAME_NAMESPACE: dict[str, Any] = {
    "metadata": {"name": "fermee", "namespace": "user-alice"},
    "spec": {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}]}],
    },
}
BASE: dict[str, Any] = {
    "metadata": {
        "name": "base-1",
        "namespace": "user-alice",
        "uid": "2",
        "creationTimestamp": "2026-11-28T08:00:00Z",
        "labels": {"cnpg.io/cluster": "base", "cnpg.io/podRole": "instance"},
    },
    "spec": {"containers": [{"name": "postgres", "image": "postgres:15"}]},
    "status": {
        "phase": "Running",
        "podIP": "10.244.0.9",
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


def told_of_a_refusal(port: int, policies: Sequence[dict[str, Any]] | None) -> Diagnostic:
    """Of a relay that was refused by a base which runs; `policies` of its namespace, None where its
    owner's access is not at hand."""
    cluster, pod = seen(container(args=["TCP-LISTEN:5432,fork", f"TCP:{THERE}:{port}"]))
    assert isinstance(cluster, SnapshotCluster)
    theirs = Snapshot(
        taken=cluster.snapshot.taken,
        namespace="user-alice",
        objects={"Pod": [BASE], "Service": [], "NetworkPolicy": [*(policies or [])]},
    )
    views = {view("user-alice", ""): None if policies is None else theirs}
    log = Log(pod.name, 5, "connect: Connection refused", "relais")
    replaced = structs.replace(cluster.snapshot, logs=[log], local=Local(views=views))
    lab = Unanswered("", "corrigez le port", ("appliquez",), ())
    return unanswered(SnapshotCluster(replaced), [pod], "fermée", lab)


def test_some_networks_refuse_what_a_policy_forbids() -> None:
    told_so = told_of_a_refusal(5432, [SAME_NAMESPACE])
    assert "refuse la connexion, alors que la base base tourne" in told_so.finding
    assert "cahier solution tp4 --collegue user-bob --base base" in told_so.commands[0]


@pytest.mark.parametrize("policies", [None, []], ids=["nothing to be read", "it is open"])
def test_a_refusal_that_no_policy_explains_has_two_reasons(
    policies: Sequence[dict[str, Any]] | None,
) -> None:
    told_so = told_of_a_refusal(5432, policies)
    assert "rien n’écoute" not in told_so.finding
    assert "arrêtée" in told_so.cause
    assert "fermée à votre namespace" in told_so.cause
    assert not told_so.commands


def test_a_wrong_port_is_refused_whatever_the_policies_say() -> None:
    told_so = told_of_a_refusal(5433, [SAME_NAMESPACE])
    assert "rien n’écoute sur ce port" in told_so.finding
    assert told_so.commands == ("appliquez",)


# -- its clients -----------------------------------------------------------------------------------


class Relay:
    """A program of this machine that answers as PostgreSQL does, `at_once` clients at most and
    `in_all`."""

    def __init__(self, *, at_once: int = 9, in_all: int = 99, refuses: bool = False) -> None:
        self._places, self._left, self._refuses = threading.Semaphore(at_once), in_all, refuses
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    @contextlib.contextmanager
    def connect(self) -> Iterator[socket.socket]:
        with socket.create_connection(self._socket.getsockname(), 5) as end:
            yield end

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self._left -= 1
                if self._left < 0 or (self._refuses and not self._places.acquire(blocking=False)):
                    client.close()
                    continue
                threading.Thread(
                    target=self._serve, args=(client, self._refuses), daemon=True
                ).start()

    def _serve(self, client: socket.socket, placed: bool) -> None:
        if not placed:
            self._places.acquire()
        with client, contextlib.suppress(OSError):
            answer(client)
            client.recv(1)
        self._places.release()


def answer(client: socket.socket | ssl.SSLSocket, salt: bytes = b"sel") -> None:
    """The beginning of PostgreSQL's protocol, without TLS."""
    head = client.recv(4096)
    if head[4:8] == struct.pack("!I", 80877103):
        client.sendall(b"N")
        head = client.recv(4096)
    if head:
        method = struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"
        client.sendall(b"R" + struct.pack("!I", len(method) + 4) + method)
        client.recv(4096)
        challenge = struct.pack("!I", 11) + b"r=nonce,s=" + salt + b",i=4096"
        client.sendall(b"R" + struct.pack("!I", len(challenge) + 4) + challenge)


@pytest.mark.parametrize(
    ("relay", "held", "waits", "lasts"),
    [
        ({}, None, False, True),
        ({"at_once": 1}, 1, True, True),
        ({"at_once": 2}, 2, True, True),
        ({"at_once": 1, "refuses": True}, 1, False, True),
        ({"at_once": 2, "refuses": True}, 2, False, True),
        ({"in_all": 3}, None, False, False),
        ({"in_all": 1}, 1, False, True),
    ],
)
def test_clients_are_met_at_once_and_after(
    relay: dict[str, Any],
    held: int | None,
    waits: bool,
    lasts: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relays, "_PATIENCE", 0.5)
    with contextlib.closing(Relay(**relay)) as running:
        assert served(running.connect) == Served(PostgresServer("sel"), held, waits, lasts)


def test_a_relay_that_serves_nobody_is_told_so() -> None:
    with contextlib.closing(Relay(in_all=0)) as running, pytest.raises(NotPostgres):
        served(running.connect)


# -- a server behind TLS ---------------------------------------------------------------------------


@contextlib.contextmanager
def only_by_tls(folder: Path, *, answers: bool = True) -> Iterator[socket.socket]:
    """A client's end of a connection to a server that talks encrypted only."""
    (folder / "server.pem").write_bytes(b"".join(self_signed(["base"])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    client, server = socket.socketpair()

    def serve() -> None:
        with server, contextlib.suppress(OSError):
            assert server.recv(8)[4:] == struct.pack("!I", 80877103)
            server.sendall(b"S")
            if answers:
                with context.wrap_socket(server, server_side=True) as encrypted:
                    answer(encrypted, b"x" * 40_000)
                    encrypted.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with client:
        client.settimeout(5)
        yield client
    thread.join(5)


def test_a_server_that_demands_tls_is_identified(tmp_path: Path) -> None:
    with only_by_tls(tmp_path) as client:
        assert identify(client).fingerprint == "x" * 40_000
    with only_by_tls(tmp_path, answers=False) as client:
        assert is_postgres(client)


def test_tls_that_breaks_off_is_no_server(tmp_path: Path) -> None:
    with only_by_tls(tmp_path, answers=False) as client, pytest.raises(NotPostgres) as broken:
        identify(client)
    assert not isinstance(broken.value, Silence)
