"""The relay of the lab: its Deployment, the Service in front of it, and the ports where it waits
for its clients."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import listening
from checks.diagnosis.workloads import deployments
from checks.diagnosis.workloads.deployments import Deployment
from checks.errors import Unverifiable
from checks.facts import Pod
from checks.objects.parts import named

from .endpoints import Front, endpoints

PROXY = "pg-proxy"
PORT = 5432
FILE = "proxy.yaml"


def relay(cluster: Cluster) -> Deployment:
    """The relay's Deployment, once it is known to exist. Raises Unverifiable when it has gone
    since."""
    return deployments.find(cluster, PROXY)


def running(cluster: Cluster) -> Deployment:
    """The same, while it has pods. Raises Unverifiable when they have gone since."""
    found = relay(cluster)
    if not found.pods:
        raise Unverifiable(
            f"Les pods de {PROXY} ont disparu pendant la vérification.", "Relancez la commande."
        )
    return found


def front(cluster: Cluster) -> Front | None:
    """The Service before the relay; None when none has its name. Raises Unverifiable where the
    relay has no pod to be before."""
    service = named(cluster.services(), PROXY)
    return Front(service, PORT, running(cluster)) if service else None


def serving(cluster: Cluster) -> Mapping[str, int]:
    """The port on which each pod of the relay gets the Service's clients, by the pod's name."""
    before = front(cluster)
    return {one.pod: one.port for one in endpoints(cluster, before)} if before else {}


def serving_port(cluster: Cluster) -> int:
    """The port on which the pods of the relay get the Service's clients; the lab's own where they
    get none."""
    return next(iter(serving(cluster).values()), PORT)


def address(cluster: Cluster) -> str:
    """The relay as a client of the namespace may write it; without the cluster's own domain, which
    may be another."""
    return f"{PROXY}.{cluster.namespace}.svc:{PORT}"


def listened(cluster: Cluster, pod: Pod) -> int:
    """The port of the pod on which the relay waits for its clients, as the pod itself tells."""
    ports: frozenset[int] = frozenset()
    with contextlib.suppress(Unverifiable):
        ports = listening(cluster, pod.name)
    return PORT if PORT in ports or not ports else min(ports)
