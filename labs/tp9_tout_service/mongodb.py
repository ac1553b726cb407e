"""The MongoDB of the catalogue: its pods, the tunnel that leads to one of them, its remedy.

The platform's chart calls everything after its own name, whatever the release is called, and puts
no Service with an address before it: each pod has a name below a headless one.
"""

from __future__ import annotations

from collections.abc import Sequence

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import Tunnel, closing, leads_elsewhere
from checks.errors import Unverifiable
from checks.facts import ForwardRefused, Pod
from checks.lesson import Wrong
from checks.shell import thing

from . import lessons
from .wire import MongoServer, NotMongoDB, hello

PORT = 27017
_INSTANCE = "app.kubernetes.io/instance"
_LABELS = {"app.kubernetes.io/name": "mongodb", "app.kubernetes.io/component": "mongodb"}
_STATEFUL_SET = "mongodb"
_HEADLESS = "mongodb-headless"


def servers(cluster: Cluster) -> Sequence[Pod]:
    """The pods that serve clients, those that are ready first."""
    return sorted(cluster.pods(_LABELS), key=lambda pod: (pod.deleting, not pod.ready, pod.name))


def absent(cluster: Cluster) -> lessons.NoMongoDB:
    """What tells that none of its pods exists."""
    if _HEADLESS in cluster.names("Service"):
        namespace = cluster.namespace
        woken = (
            f"kubectl scale {thing('statefulset', _STATEFUL_SET)} -n {namespace} --replicas=1",
            f"kubectl rollout status {thing('statefulset', _STATEFUL_SET)} -n {namespace} "
            "--timeout=120s",
        )
        return lessons.MongoDBAsleep(commands=woken)
    return lessons.NoMongoDB(commands=(_launch(cluster),))


def relaunched(cluster: Cluster, pod: Pod) -> tuple[str, ...]:
    """The commands that make it anew."""
    release = pod.labels.get(_INSTANCE, "")
    gone = f"cahier catalogue arreter {release} --namespace {cluster.namespace}"
    return (*([gone] if release else []), _launch(cluster))


def _launch(cluster: Cluster) -> str:
    return f"cahier catalogue lancer mongodb --namespace {cluster.namespace}"


def tunnel(cluster: Cluster) -> Tunnel:
    """The tunnel that the lab wants. Raises Unverifiable when no pod is ready any more."""
    ready = [pod for pod in servers(cluster) if pod.ready and not pod.deleting]
    if not ready:
        raise Unverifiable(
            "Le pod de MongoDB a cessé d’être prêt pendant la vérification.", "Relancez-la."
        )
    return Tunnel(
        local_port=cluster.local_port(PORT),
        pods=ready,
        port=PORT,
        speak=hello,
        service=lessons.YOUR_MONGODB,
    )


def not_reached(cluster: Cluster) -> Wrong | None:
    """None when what answers on the local port is one of its pods: recognised by its sockets where
    its image shows them, and by the name that it gives itself."""
    expected = tunnel(cluster)
    return leads_elsewhere(cluster, expected) or _another(cluster, expected)


def _another(cluster: Cluster, expected: Tunnel) -> Wrong | None:
    listeners = cluster.machine.listeners(expected.local_port)
    again = (*closing(listeners), *expected.commands)
    try:
        with cluster.machine.connect(expected.local_port) as connection:
            connection.settimeout(8)
            reached = hello(connection)
    except OSError as silence:
        return lessons.ExchangeCut(port=expected.local_port, silence=str(silence), commands=again)
    known = [_inside(cluster, pod) for pod in expected.pods]
    if reached in known or not (reached.names and all(one.names for one in known)):
        return None
    return lessons.AnotherMongoDB(
        port=expected.local_port,
        reached=", ".join(reached.names),
        expected=", ".join(sorted({name for one in known for name in one.names})),
        commands=again,
    )


def _inside(cluster: Cluster, pod: Pod) -> MongoServer:
    """The server in the pod, through a tunnel of ours. Raises Unverifiable."""
    try:
        with cluster.forward(pod.name, PORT) as connection:
            return hello(connection)
    except (NotMongoDB, ForwardRefused) as silence:
        raise Unverifiable(
            f"Dans le pod {pod.name}, MongoDB ne répond pas : {silence}.",
            f"Regardez son journal : kubectl logs {pod.name} -n {cluster.namespace}",
        ) from None
