"""What `cahier chemin` says of a tunnel to something that has no pod now, and of a relay that goes
where nobody can look."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from checks.facts import ForwardCommand, ForwardRefused, Listener
from checks.path.aims import Aim, pods_of
from checks.path.ends import LocalPort, Named
from checks.path.ground import Ground
from checks.path.outcome import Hop, Kind
from checks.path.tunnels import from_local_port
from checks.sources.snapshot import Snapshot, SnapshotCluster
from checks.verdict import Status
from tests.support.broken_paths import RECORDED

_RECORDED: dict[str, Any] = msgspec.json.decode(RECORDED.read_bytes())
_PLACE = _RECORDED["namespace"]
PORT = 8000


class OneTunnel:
    """A machine where one kubectl holds the port; `open_`: whether what is behind it answers."""

    def __init__(
        self,
        kind: str,
        name: str,
        open_: bool,
        age: timedelta | None = None,
        port: int = 80,
        addresses: Sequence[str] = ("127.0.0.1", "::1"),
    ) -> None:
        self._forward = ForwardCommand(kind, name, _PLACE, {PORT: port}, namespace_given=True)
        self._open, self._addresses = open_, addresses
        self.first: Sequence[str] = ("::1", "127.0.0.1")
        self._since = datetime.now(UTC) - age if age is not None else None
        self._far: list[socket.socket] = []

    def listeners(self, port: int) -> Sequence[Listener]:
        return [
            Listener(one, port, 7, "kubectl", forward=self._forward, since=self._since)
            for one in self._addresses
        ]

    def localhost(self) -> Sequence[str]:
        return self.first

    def connect(self, port: int) -> socket.socket:
        near, far = socket.socketpair()
        if self._open:
            self._far.append(far)
        else:
            far.close()
        return near

    def close(self) -> None:
        for far in self._far:
            far.close()


class Place(SnapshotCluster):
    """The recorded pods, each kept by a StatefulSet of its name, and one Service."""

    def __init__(self, service: str, selector: dict[str, str], machine: OneTunnel) -> None:
        pods = []
        for one in _RECORDED["pods"]:
            name = one["metadata"]["name"]
            owner = {"kind": "StatefulSet", "name": name, "uid": name, "controller": True}
            pods.append({**one, "metadata": {**one["metadata"], "ownerReferences": [owner]}})
        spec = {"selector": selector, "ports": [{"port": 80, "targetPort": PORT}]}
        made = {"metadata": {"name": service, "namespace": _PLACE}, "spec": spec}
        objects: dict[str, list[dict[str, Any]]] = {
            kind: [] for kind in ("Deployment", "ReplicaSet", "EndpointSlice", "Event")
        }
        objects |= {"Pod": pods, "Service": [made]}
        super().__init__(Snapshot(taken=datetime.now(UTC), namespace=_PLACE, objects=objects))
        self._there = machine

    @property
    def machine(self) -> Any:
        return self._there

    def clock(self) -> datetime | None:
        """An hour after the youngest pod; not the hour of this machine."""
        return max(one.created for one in self.pods()) + timedelta(hours=1)

    def forward(self, pod: str, port: int) -> Any:
        """No pod takes a client."""
        raise ForwardRefused("connexion refusée")

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """What the pod showed of its sockets."""
        return str(_RECORDED["tables"][pod])


def walked(service: str, selector: dict[str, str], machine: OneTunnel) -> list[Hop]:
    hops = [*from_local_port(Ground(Place(service, selector, machine)), LocalPort(PORT))]
    machine.close()
    return hops


def last(service: str, selector: dict[str, str], machine: OneTunnel) -> Hop:
    return walked(service, selector, machine)[-1]


def test_a_service_keeps_no_pod_though_a_stateful_set_has_its_name() -> None:
    cluster = Place("sain", {"app": "personne"}, OneTunnel("service", "sain", False))
    assert [one.name for one in pods_of(cluster, Named("statefulset", "sain", _PLACE))] == ["sain"]
    assert not pods_of(cluster, Named("service", "sain", _PLACE))


def test_a_tunnel_to_a_service_that_selects_nobody_is_told_of_the_service() -> None:
    hop = last("sain", {"app": "personne"}, OneTunnel("service", "sain", False))
    assert (hop.id, hop.status) == (Kind.SERVICE, Status.FAILED)
    assert "Le Service sain cherche des pods étiquetés app=personne" in hop.finding


def test_it_may_still_lead_to_the_pod_that_it_had_chosen() -> None:
    hop = last("sain", {"app": "personne"}, OneTunnel("service", "sain", True))
    assert (hop.id, hop.status) == (Kind.TUNNEL, Status.UNVERIFIED)
    assert "répond" in hop.finding


@pytest.mark.parametrize("answers", [True, False])
def test_a_pod_that_is_named_and_gone_is_broken_before_any_connection(answers: bool) -> None:
    hop = last("sain", {"app": "sain"}, OneTunnel("pod", "parti", answers))
    assert (hop.id, hop.status) == (Kind.TUNNEL, Status.FAILED)
    assert "aucun pod ne lui correspond" in hop.finding


def test_a_tunnel_older_than_the_pod_that_does_not_listen_is_told_first() -> None:
    """Both are broken: the tunnel is not that pod's, whatever kubectl says as it stops."""
    older = OneTunnel("pod", "sourd", False, timedelta(hours=30), PORT)
    hops = walked("sain", {"app": "sain"}, older)
    assert [one.status for one in hops] == [Status.PASSED, Status.FAILED]
    assert hops[-1].id is Kind.TUNNEL
    assert "a été ouvert avant que le pod sourd existe" in hops[-1].finding
    assert "Dans le pod sourd, rien n’écoute sur le port 8000." in hops[-1].finding
    assert hops[-1].fix_commands == (
        "kill 7 2>/dev/null || true",
        f"kubectl port-forward pod/sourd 8000:8000 -n {_PLACE} &",
    )


def test_a_tunnel_younger_than_the_pod_that_it_names_leads_to_it() -> None:
    younger = OneTunnel("pod", "sourd", False, timedelta(minutes=1), PORT)
    hops = walked("sain", {"app": "sain"}, younger)
    assert [(one.id, one.status) for one in hops[1:]] == [
        (Kind.TUNNEL, Status.PASSED),
        (Kind.PROGRAM, Status.FAILED),
    ]


@pytest.mark.parametrize(
    ("kind", "age"),
    [
        ("pod", None),
        ("pod", timedelta(hours=1, seconds=1)),
        # it chose among the pods of that moment, and one of them may be gone
        ("service", timedelta(minutes=1)),
    ],
)
def test_where_nothing_tells_which_is_older_both_are_told(
    kind: str, age: timedelta | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "clock", lambda self: _made("sourd") + timedelta(hours=1))
    port = PORT if kind == "pod" else 80
    hops = walked("sourd", {"app": "sourd"}, OneTunnel(kind, "sourd", False, age, port))
    assert [(one.id, one.status) for one in hops[1:]] == [
        (Kind.TUNNEL, Status.UNVERIFIED),
        (Kind.PROGRAM, Status.FAILED),
    ]


def _made(name: str) -> datetime:
    (found,) = (one for one in _RECORDED["pods"] if one["metadata"]["name"] == name)
    return datetime.fromisoformat(found["metadata"]["creationTimestamp"])


def opened_on(*addresses: str, written: str = "", first: str = "") -> Hop:
    """The first hop of a tunnel that is open on these addresses of this machine."""
    machine = OneTunnel("pod", "sourd", False, timedelta(minutes=1), PORT, addresses)
    if first:
        machine.first = (first,)
    ground = Ground(Place("sain", {"app": "sain"}, machine))
    return next(iter(from_local_port(ground, LocalPort(PORT, address=written))))


def test_a_tunnel_on_one_address_of_localhost_is_told_as_long_as_clients_try_both() -> None:
    assert "localhost" not in opened_on("127.0.0.1", "::1").found
    four, six = opened_on("127.0.0.1"), opened_on("::1", first="127.0.0.1")
    assert four.status is Status.PASSED
    assert "« localhost » est ici d’abord ::1" in four.found
    assert four.found.endswith("écrivez 127.0.0.1")
    assert six.status is Status.FAILED, "there, « localhost » is no IPv6 address at all"
    both = opened_on("::1")
    assert both.status is Status.PASSED
    assert "localhost" not in both.found, "its first address is that one"


def test_an_address_that_is_written_has_to_be_open() -> None:
    assert opened_on("127.0.0.1", written="127.0.0.1").status is Status.PASSED
    assert opened_on("::1", written="::1").status is Status.PASSED
    assert opened_on("127.0.0.1", "::1", written="::1").status is Status.PASSED
    missed = opened_on("127.0.0.1", written="::1")
    assert (missed.id, missed.status) == (Kind.LOCAL_PORT, Status.FAILED)
    assert "pas à l’adresse [::1]" in missed.finding
    assert opened_on("::1", written="127.0.0.1").status is Status.FAILED


def test_two_aims_meet_at_a_name_however_much_of_it_is_written_or_at_a_pod() -> None:
    cluster = Place("porte", {"app": "sain"}, OneTunnel("service", "porte", False))
    short, long = Aim("base.user-bob", 5432, "user-bob"), Aim("base.user-bob.svc", 5432, "user-bob")
    assert short.is_met_by(long)
    assert not short.is_met_by(Aim("base.user-carole", 5432, "user-carole"))
    assert not short.is_met_by(Aim("base.user-bob", 5433, "user-bob"))
    assert not Aim("10.1.0.1", 80).is_met_by(Aim("10.1.0.2", 80))
    (service,), pod = cluster.services(), cluster.pod("sain")
    assert pod is not None
    by_service = Aim("porte", 80, _PLACE, cluster, service)
    direct = Aim(pod.ip, PORT, _PLACE, cluster, None, [pod])
    assert direct.is_met_by(by_service)
    assert by_service.is_met_by(direct)
