"""What `cahier chemin` says of a tunnel to something that has no pod now, and of a relay that goes
where nobody can look."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from checks.facts import ForwardCommand, Listener
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

    def __init__(self, kind: str, name: str, open_: bool) -> None:
        self._forward = ForwardCommand(kind, name, _PLACE, {PORT: 80}, namespace_given=True)
        self._open = open_
        self._far: list[socket.socket] = []

    def listeners(self, port: int) -> Sequence[Listener]:
        return [Listener("127.0.0.1", port, 7, "kubectl", forward=self._forward)]

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


def last(service: str, selector: dict[str, str], machine: OneTunnel) -> Hop:
    hops = [*from_local_port(Ground(Place(service, selector, machine)), LocalPort(PORT))]
    machine.close()
    return hops[-1]


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
