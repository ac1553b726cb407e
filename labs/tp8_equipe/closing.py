"""The command that closes a door to strangers and keeps it open to the members who come by the
network."""

from __future__ import annotations

from collections.abc import Sequence

from checks.capabilities import Cluster
from checks.diagnosis.rights.team import members

from .admission import dressed
from .ways_in import Door, base
from .ways_tried import survey


def close(cluster: Cluster, door: Door) -> tuple[str, ...]:
    """The command that closes what any policy opens, or makes the policy that lacks; what serves
    the administrators' programs, or another port, is left."""
    return closed_but_to(cluster, _by_network(cluster, door))


def closed_but_to(cluster: Cluster, those: Sequence[str]) -> tuple[str, ...]:
    """The same, where it is known which members come by the network."""
    only = " ".join(f"--seulement {name}" for name in (cluster.namespace, *those))
    return (
        f"cahier catalogue fermer {base(cluster)[0].release} --namespace {cluster.namespace} "
        f"{only}",
    )


def _by_network(cluster: Cluster, door: Door) -> Sequence[str]:
    """The members who come by the network, as far as the policies let them."""
    return [
        member
        for member in members(cluster)
        if survey(cluster).tunnels[member]
        and dressed(cluster, door.pod, door.port, member)[1].allowed is not False
    ]
