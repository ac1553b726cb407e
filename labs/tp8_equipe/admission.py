"""Whether the rights, or the policies, let somebody in to a pod: as they mean it, before anything
is tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from checks.capabilities import Cluster
from checks.diagnosis.policies.decision import Decision, Peer, decide
from checks.diagnosis.rights.people import lacks_tunnel
from checks.diagnosis.rights.team import identities
from checks.facts import Pod
from checks.objects.labels import EVERYTHING
from checks.objects.policies import NetworkPolicy


def lacking(cluster: Cluster, member: str, pod: Pod) -> str:
    """What the member lacks for a tunnel to the pod, "" when one of their identities has it all."""
    found = [lacks_tunnel(cluster, person, pod.name) for person in identities(cluster, member)]
    return "" if "" in found else found[0]


def _asked(policies: Iterable[NetworkPolicy]) -> Iterator[Mapping[str, str]]:
    """Labels that the policies ask of a client's pod: anybody may put them on a pod of theirs."""
    for policy in policies:
        for rule in policy.spec.ingress:
            for entry in rule.peers:
                labels = {
                    one.key: one.values[0] if one.values else ""
                    for one in (entry.pod_selector or EVERYTHING).requirements
                    if one.operator in ("In", "Exists")
                }
                if labels:
                    yield labels


def worn(cluster: Cluster) -> Sequence[Mapping[str, str]]:
    """The labels with which it is worth trying to get in: none, then those that the policies ask
    for."""
    return [{}, *_asked(cluster.network_policies())]


def dressed(
    cluster: Cluster, pod: Pod, port: int, namespace: str
) -> tuple[Mapping[str, str], Decision]:
    """With which labels a pod of `namespace` gets in, and what the policies decide of it."""
    policies = cluster.network_policies()
    decisions = [
        (labels, decide(policies, pod, Peer(namespace, labels), port)) for labels in worn(cluster)
    ]
    for wanted in (True, None):
        for labels, decision in decisions:
            if decision.allowed is wanted:
                return labels, decision
    return decisions[0]
