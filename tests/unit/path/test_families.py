"""IPv4 and IPv6: a program that takes one and not the other, and a Service of a family that its
pods have not."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from checks.diagnosis.connections.sockets import Listener
from checks.diagnosis.workloads.program_logs import Trouble
from checks.errors import Unverifiable
from checks.facts import Access, ForwardRefused
from checks.path.ends import pair
from checks.path.ground import Ground, Origin
from checks.path.outcome import Kind, Path
from checks.path.trials import Attempt, Attempts, Way
from checks.path.walk import walk
from checks.sources.snapshot import Snapshot, SnapshotCluster
from checks.verdict import Status

PLACE, PORT = "user-alice", 8000
FOUR, SIX = "10.1.0.7", "fd00::7"


def row(address: str, port: int, remote: str, remote_port: int, state: str) -> str:
    """A line of /proc/net/tcp or tcp6, as the kernel writes it."""

    def end(host: str, number: int) -> str:
        packed = ipaddress.ip_address(host).packed
        words = struct.unpack(f"<{len(packed) // 4}I", packed)
        return "".join(f"{word:08X}" for word in words) + f":{number:04X}"

    return f"   0: {end(address, port)} {end(remote, remote_port)} {state} 0:0 0:0 0 0 0 0 1 0"


class Place(SnapshotCluster):
    """One pod whose program listens at some addresses, and a Service. `enters`: by which loopback
    address a tunnel enters the pod, "" for none."""

    def __init__(
        self,
        listens: Sequence[str],
        addresses: Sequence[str] = (FOUR,),
        families: Sequence[str] = ("IPv4",),
        enters: str = "",
        policy: bool = False,
    ) -> None:
        pod = {
            "metadata": {
                "name": "api-1",
                "namespace": PLACE,
                "uid": "1",
                "labels": {"app": "api"},
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"containers": [{"name": "api", "image": "x"}]},
            "status": {
                "phase": "Running",
                "podIP": addresses[0],
                "podIPs": [{"ip": one} for one in addresses],
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "api", "ready": True, "state": {"running": {}}}],
            },
        }
        service = {
            "metadata": {"name": "api", "namespace": PLACE},
            "spec": {
                "selector": {"app": "api"},
                "ipFamilies": list(families),
                "clusterIPs": ["10.2.0.1" if one == "IPv4" else "fd00:2::1" for one in families],
                "ports": [{"port": 80, "targetPort": PORT}],
            },
        }
        closed = {
            "metadata": {"name": "fermee", "namespace": PLACE},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []},
        }
        objects: dict[str, list[dict[str, Any]]] = {
            kind: [] for kind in ("Deployment", "ReplicaSet", "EndpointSlice", "Event")
        }
        objects |= {"Pod": [pod], "Service": [service], "NetworkPolicy": [closed] * policy}
        super().__init__(
            Snapshot(taken=datetime.now(UTC), namespace=PLACE, user="oidc-alice", objects=objects)
        )
        wildcards = {one: "::" if ":" in one else "0.0.0.0" for one in listens}
        self._rows = [row(one, PORT, wildcards[one], 0, "0A") for one in listens]
        self._enters, self.tunnels = enters, 0

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """What the pod shows of its sockets."""
        inside = []
        if self.tunnels and self._enters:
            inside = [row(self._enters, PORT, self._enters, 40000, "01")]
        return "\n".join([*self._rows, *inside])

    @contextlib.contextmanager
    def forward(self, pod: str, port: int) -> Iterator[socket.socket]:
        """A tunnel, where one enters."""
        if not self._enters:
            raise ForwardRefused("connexion refusée")
        self.tunnels += 1
        near, far = socket.socketpair()
        with near, far:
            yield near

    def may(self, *_: str, **__: str) -> Access:
        """Nobody else's namespace is looked at."""
        return Access(allowed=False)


def walked(place: Place, monkeypatch: pytest.MonkeyPatch, word: str = "svc/api") -> Path:
    """The path where each connection is refused."""
    tried: list[str] = []

    def refused(origin: Origin, ways: Sequence[Way]) -> Attempts:
        tried.extend(way.target for way in ways)
        attempt = Attempt(False, Trouble.REFUSED, "Connection refused", "10.1.0.9")
        return {way.target: attempt for way in ways}

    monkeypatch.setattr("checks.path.inside.attempts", refused)
    found = walk(Ground(place), *pair(place, [word]))
    assert len(tried) == len(set(tried))
    return found


@pytest.mark.parametrize(
    ("bound", "client", "taken"),
    [
        ("0.0.0.0", FOUR, True),
        ("0.0.0.0", SIX, False),
        ("::", SIX, True),
        ("::", FOUR, None),
        ("127.0.0.1", FOUR, False),
        ("::1", SIX, False),
        (FOUR, FOUR, True),
        (FOUR, SIX, False),
        ("10.1.0.8", FOUR, False),
    ],
)
def test_a_listener_takes_the_clients_of_its_address(
    bound: str, client: str, taken: bool | None
) -> None:
    assert Listener(bound, PORT).takes(client) is taken


@pytest.mark.parametrize(
    ("listens", "addresses", "family", "said", "everywhere"),
    [
        (["127.0.0.1"], [FOUR], "IPv4", "qu’à l’adresse 127.0.0.1", "0.0.0.0"),
        (["::1"], [FOUR], "IPv4", "qu’à l’adresse ::1", "0.0.0.0"),
        (["127.0.0.1", "::1"], [SIX], "IPv6", "son pod seul le joint", "::"),
        (["0.0.0.0"], [SIX], "IPv6", f"arrivent à {SIX}, en IPv6", "::"),
        # of a pod that has both, the Service leads to the address of its own family
        (["0.0.0.0"], [FOUR, SIX], "IPv6", f"arrivent à {SIX}, en IPv6", "::"),
        ([SIX], [FOUR, SIX], "IPv4", f"arrivent à {FOUR}, en IPv4", "0.0.0.0"),
        (["10.1.0.6"], [FOUR], "IPv4", f"10.1.0.6, et ses clients arrivent à {FOUR}.", "0.0.0.0"),
    ],
)
def test_a_program_that_listens_elsewhere_than_where_its_clients_come_is_broken(
    listens: list[str],
    addresses: list[str],
    family: str,
    said: str,
    everywhere: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = walked(Place(listens, addresses, [family]), monkeypatch)
    assert found.broken is not None, found
    assert found.broken.id is Kind.PROGRAM
    assert said in found.broken.finding
    assert f"--host {everywhere})" in found.broken.fix


def test_what_listens_on_all_addresses_and_takes_no_ipv4_is_shown_by_a_tunnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(["::"], enters="::1")
    found = walked(place, monkeypatch)
    assert found.broken is not None, found
    assert found.broken.id is Kind.PROGRAM
    assert (
        f"n’écoute sur le port 8000 qu’à l’adresse ::, et ses clients arrivent à {FOUR}, en IPv4"
        in (found.broken.finding)
    )
    assert place.tunnels == 1


@pytest.mark.parametrize("enters", ["127.0.0.1", ""])
def test_it_is_not_said_of_one_that_may_take_ipv4(
    enters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checks.diagnosis.connections.sockets._ENTERS", 0.1)
    found = walked(Place(["::"], enters=enters), monkeypatch)
    assert found.status is Status.UNVERIFIED


def test_nor_where_a_policy_may_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some networks refuse what a policy forbids."""
    place = Place(["::"], enters="::1", policy=True)
    found = walked(place, monkeypatch)
    assert found.broken is not None
    assert found.broken.id is Kind.INGRESS
    assert not place.tunnels


def test_a_service_of_a_family_that_its_pods_have_not_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = walked(Place(["::"], [FOUR], ["IPv6"]), monkeypatch)
    assert found.broken is not None, found
    assert found.broken.id is Kind.SERVICE
    assert "Le Service api est en IPv6" in found.broken.finding
    assert f"api-1 a {FOUR}" in found.broken.finding
    assert "ipFamilies: [IPv4]" in found.broken.fix_lines
    both = walked(Place(["0.0.0.0"], [FOUR], ["IPv6", "IPv4"], enters="127.0.0.1"), monkeypatch)
    assert both.broken is None, "one family in common is enough"


def test_the_address_that_is_written_says_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(["0.0.0.0"], [FOUR, SIX], ["IPv4", "IPv6"])
    found = walked(place, monkeypatch, "http://[fd00:2::1]:80")
    assert found.destination == "http://[fd00:2::1]:80"
    assert found.broken is not None
    assert f"arrivent à {SIX}, en IPv6" in found.broken.finding
    other = walked(place, monkeypatch, "http://10.2.0.1:80")
    assert other.status is Status.UNVERIFIED, "IPv4 is taken: nothing explains a refusal"


def test_where_the_pod_shows_nothing_nothing_is_said_of_families(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(["::"], enters="::1")

    def mute(pod: str, command: Sequence[str], container: str = "") -> str:
        raise Unverifiable("pas de cat")

    monkeypatch.setattr(place, "execute", mute)
    found = walked(place, monkeypatch)
    assert found.broken is not None
    assert "IPv" not in found.broken.finding
