"""The command that closes a door to strangers and keeps it open to the members who come by the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checks.diagnosis.admission import anybody, dressed, worn
from checks.diagnosis.doors import Door, base
from checks.diagnosis.policies import NAMESPACE_NAME, decide
from checks.diagnosis.survey import survey
from checks.diagnosis.team import members
from checks.facts import Cluster
from checks.selectors import required


def close(cluster: Cluster, door: Door) -> Sequence[str]:
    """The command that leaves the base to its own namespace, to the members who come by the network, and to those
    whom a policy names and who are no strangers: an operator."""
    release = base(cluster)[0].release
    by_network = [
        member
        for member in members(cluster)
        if survey(cluster).tunnels[member] and dressed(cluster, door.pod, door.port, member)[1].allowed is not False
    ]
    admitted = dict.fromkeys((cluster.namespace, *by_network, *_named(cluster, door)))
    only = " ".join(f"--seulement {name}" for name in admitted)
    return (f"cahier catalogue fermer {release} --namespace {cluster.namespace} {only}",)


def _named(cluster: Cluster, door: Door) -> Iterator[str]:
    """Namespaces that a policy of the door names, in sources that let no stranger in."""
    for policy in cluster.objects("NetworkPolicy"):
        for rule in policy["spec"].get("ingress") or ():
            for source in rule.get("from") or ():
                if not _admits_a_stranger(cluster, source, door):
                    yield from required(source.get("namespaceSelector") or {}, NAMESPACE_NAME) or ()


def _admits_a_stranger(cluster: Cluster, source: Mapping[str, Any], door: Door) -> bool:
    policy = {
        "metadata": {"name": "-"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [source]}]},
    }
    strangers = [anybody(name, labels) for name in survey(cluster).strangers for labels in worn(cluster)]
    return any(decide([policy], door.pod, peer, door.port).allowed is not False for peer in strangers)
