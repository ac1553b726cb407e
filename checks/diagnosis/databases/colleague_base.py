"""What is to be done at somebody else's: alone on the local cluster, one types it in their
place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import (
    PORT,
    USUAL,
    databases,
    is_ready,
    release_of_service,
)
from checks.diagnosis.databases.relay_manifest import Target
from checks.diagnosis.policies.decision import Peer, decide
from checks.facts import Pod


def in_their_place(cluster: Cluster, owner: str, command: str) -> tuple[str, ...]:
    """The command, as one types it here in the place of the owner of a namespace; none where their
    access is not at hand, as on the platform: they must be asked."""
    if cluster.as_owner(owner) is None:
        return ()
    return (as_typed(owner, command),)


def as_typed(owner: str, command: str) -> str:
    """The same, where it is known that this is the local cluster."""
    return f"KUBECONFIG=$(cahier cluster kubeconfig {owner.removeprefix('user-')}) {command}"


@dataclass(frozen=True)
class TheirBase:
    """The colleague's database: its name, "" when nothing tells; `ready` is None where their access
    is not at hand."""

    release: str
    ready: bool | None = None


def their_base(cluster: Cluster, written: Sequence[Target]) -> TheirBase:
    """The one whose Service the relay names (`written`), unless their own namespace, where their
    access is at hand, tells that there is none such."""
    services = [
        target.host.partition(".")[0] for target in written if target.namespace(cluster.namespace)
    ]
    wanted = next((release for service in services if (release := release_of_service(service))), "")
    theirs = cluster.as_owner(cluster.colleague.namespace)
    if theirs is None:
        return TheirBase(wanted)
    found = {one.release: is_ready(one) for one in databases(theirs)}
    release = wanted if wanted in found or not found else next(iter(found))
    return TheirBase(release or USUAL, found.get(release, False))


def shut_to(cluster: Cluster, base: TheirBase, clients: Sequence[Pod]) -> bool:
    """Whether the colleague's policies, where their access is at hand, keep all these pods of the
    learner's away from a database that runs."""
    theirs = cluster.as_owner(cluster.colleague.namespace)
    if theirs is None:
        return False
    running = (
        one.pod for one in databases(theirs) if one.release == base.release and is_ready(one)
    )
    server = next(running, None)
    if server is None:
        return False
    policies = theirs.network_policies()
    return all(
        decide(policies, server, Peer(pod.namespace, pod.labels, ip=pod.ip), PORT).allowed is False
        for pod in clients
    )


def launched(cluster: Cluster, base: TheirBase) -> tuple[str, ...]:
    """The command that starts the colleague's database, open to other namespaces, where it is known
    not to run."""
    if base.ready is not False:
        return ()
    command = f"cahier catalogue lancer postgresql --nom {base.release} --ouvert"
    return in_their_place(cluster, cluster.colleague.namespace, command)


def admitted(cluster: Cluster, base: TheirBase) -> tuple[str, ...]:
    """The command by which the colleague admits the learner's namespace to a database that runs."""
    command = (
        f"cahier solution tp4 --collegue {cluster.namespace} --base {base.release} --appliquer"
    )
    return in_their_place(cluster, cluster.colleague.namespace, command) if base.release else ()
