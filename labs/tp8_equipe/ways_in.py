"""The doors of a shared database: its own pod, and the pods of the namespace that relay it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.connections.services import addresses
from checks.diagnosis.connections.sockets import listening, outgoing
from checks.diagnosis.databases.catalogue import PORT, Database, of_release, ready_pods, server_in
from checks.diagnosis.databases.relay_manifest import listening_ports
from checks.diagnosis.rights.team import members
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import ForwardRefused, Pod

from .admission import dressed, lacking


@dataclass(frozen=True)
class Door:
    """A pod and a port behind which the base answers. `relay`: it is not the base itself."""

    pod: Pod
    port: int
    relay: bool = False

    @property
    def address(self) -> str:
        """Where a pod of the cluster finds it."""
        host = f"[{self.pod.ip}]" if ":" in self.pod.ip else self.pod.ip
        return f"{host}:{self.port}"


def _shared_base(cluster: Cluster) -> tuple[Database, Pod]:
    ready = ready_pods(cluster)

    def entering(candidate: tuple[Database, Pod]) -> int:
        pod = candidate[1]
        return sum(
            not lacking(cluster, member, pod)
            or dressed(cluster, pod, PORT, member)[1].allowed is True
            for member in members(cluster)
        )

    return max(ready, key=entering) if len(ready) > 1 else ready[0]


def base(cluster: Cluster) -> tuple[Database, Pod]:
    """The shared base: of several, the one that most members reach. Raises Unverifiable."""
    return cluster.once(_shared_base)


def _fingerprint(cluster: Cluster) -> str:
    pod = base(cluster)[1]
    try:
        found = server_in(cluster, pod).fingerprint
    except (NotPostgres, ForwardRefused) as silence:
        raise Unverifiable(
            f"La base ne répond pas dans le pod {pod.name} : {silence}.", "Relancez la commande."
        ) from None
    if found is None:
        raise Unverifiable(
            f"Le serveur du pod {pod.name} n’a pas d’empreinte : il n’authentifie pas par SCRAM.",
            "Relancez la base depuis le catalogue.",
        )
    return found


def fingerprint(cluster: Cluster) -> str:
    """What tells the base's server from any other. Raises Unverifiable."""
    return cluster.once(_fingerprint)


def _listens_on(cluster: Cluster, pod: Pod) -> set[int]:
    """Ports where something may listen in the pod: declared, written in socat's arguments, seen by
    the pod itself."""
    ports = {one.number for box in pod.containers for one in box.ports} | listening_ports(pod)
    with contextlib.suppress(Unverifiable):
        ports |= listening(cluster, pod.name)
    return ports


def _relays(cluster: Cluster, door: Door) -> bool:
    """Whether the base answers behind that port, or a pooler that answers in its place and has
    joined it."""
    with (
        contextlib.suppress(NotPostgres, ForwardRefused, OSError),
        cluster.forward(door.pod.name, door.port) as end,
    ):
        end.settimeout(5)
        if identify(end).fingerprint == fingerprint(cluster):
            return True
        with contextlib.suppress(Unverifiable):
            joined = {
                (one.remote_address, one.remote_port) for one in outgoing(cluster, door.pod.name)
            }
            return not joined.isdisjoint(_addresses_of_the_base(cluster))
    return False


def _addresses_of_the_base(cluster: Cluster) -> set[tuple[str, int]]:
    """Where a pod finds the base: in its own pod, or through a Service's address."""
    pod = base(cluster)[1]
    ports = {one.service: one.port for one in addresses(cluster, pod)}
    return {(pod.ip, PORT)} | {
        (address, ports[service.name])
        for service in cluster.services()
        if service.name in ports
        for address in service.spec.cluster_ips
    }


def _doors(cluster: Cluster) -> Sequence[Door]:
    database, pod = base(cluster)
    fingerprint(cluster)
    others = [
        one
        for one in cluster.pods()
        if one.phase == "Running"
        and one.ip
        and not one.deleting
        and not of_release(one.labels, database.release)
    ]
    with ThreadPoolExecutor(8) as pool:
        ports = pool.map(lambda one: _listens_on(cluster, one), others)
        candidates = [
            Door(one, port, True)
            for one, some in zip(others, ports, strict=True)
            for port in sorted(some)
        ]
        answers = list(pool.map(lambda door: _relays(cluster, door), candidates))
    return [
        Door(pod, PORT),
        *(door for door, relays in zip(candidates, answers, strict=True) if relays),
    ]


def doors(cluster: Cluster) -> Sequence[Door]:
    """The base, then every other pod of the namespace through which it answers. Raises
    Unverifiable."""
    return cluster.once(_doors)
