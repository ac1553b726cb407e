"""The relay of the lab: its pod, the exchanges that are made through it, the tunnel that leads to
it, its remedy."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import Tunnel
from checks.diagnosis.databases.catalogue import server_in
from checks.diagnosis.databases.colleague_base import launched, their_base
from checks.diagnosis.databases.relay_manifest import targets
from checks.diagnosis.databases.relays import Served, Stranger, served, stranger
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, PostgresServer, identify
from checks.facts import ForwardRefused, Pod

NAME = "pg-proxy"
PORT = 5432


def pod_of_relay(cluster: Cluster) -> Pod:
    """The relaying pod, once it is known to exist. Raises Unverifiable when it has gone since."""
    pod = cluster.pod(NAME)
    if pod is None:
        raise Unverifiable(f"Le pod {NAME} a disparu pendant la vérification.")
    return pod


def socat_under_another_name(cluster: Cluster) -> str:
    """Name of a pod that runs socat, "" for none."""
    pods = (
        pod.name for pod in cluster.pods() if any("socat" in box.image for box in pod.containers)
    )
    return next(pods, "")


def ended_by_itself(pod: Pod) -> bool:
    """Whether a container has ended without an error, as socat does once its only client has
    left."""
    return not pod.deleting and any(
        box.exit_code == 0 and not box.running for box in pod.containers
    )


def clients(cluster: Cluster) -> Served | NotPostgres | ForwardRefused:
    """How the relay serves several clients, or why it serves none. Asked once: a silence is waited
    for."""
    return cluster.once(_clients)


def _clients(cluster: Cluster) -> Served | NotPostgres | ForwardRefused:
    try:
        return served(lambda: cluster.forward(NAME, PORT))
    except (NotPostgres, ForwardRefused) as silence:
        return silence


def server_behind(cluster: Cluster) -> PostgresServer:
    """The server that the relay reaches, asked through a tunnel of ours. Raises NotPostgres or
    ForwardRefused."""
    met = clients(cluster)
    if isinstance(met, Served):
        return met.server
    raise met


def stranger_behind(cluster: Cluster) -> Stranger | None:
    """Whose server that is, None for the colleague's. Raises NotPostgres or ForwardRefused, and
    Unverifiable."""
    return cluster.once(_stranger_behind)


def _stranger_behind(cluster: Cluster) -> Stranger | None:
    return stranger(cluster, pod_of_relay(cluster), PORT, server_behind(cluster))


def keeps_its_fingerprint(cluster: Cluster, behind: PostgresServer) -> bool:
    """False for a pooler, which may give each client another server: its tunnel is known by its
    connections."""
    try:
        return server_in(cluster, pod_of_relay(cluster), PORT) == behind
    except (NotPostgres, ForwardRefused):
        return True


def tunnel(cluster: Cluster) -> Tunnel:
    """The tunnel that the lab wants, from this machine to the relaying pod."""
    return Tunnel(
        local_port=cluster.local_port(PORT),
        pods=(pod_of_relay(cluster),),
        port=PORT,
        speak=identify,
        service=f"pod/{NAME}",
    )


def made_again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy: the pod of the solution in the place of theirs, towards the colleague's
    database, which is launched where it is known not to run; nothing where no database is known."""
    pod = cluster.pod(NAME)
    base = their_base(cluster, targets(cluster, pod) if pod else ())
    if not base.release:
        return ()
    place, there = cluster.namespace, cluster.colleague.namespace
    return (
        *launched(cluster, base),
        f"kubectl delete pod {NAME} -n {place} --ignore-not-found --now",
        f"cahier solution tp5 --namespace {place} --collegue {there} --base {base.release} "
        "--appliquer",
    )
