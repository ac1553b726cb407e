"""Whether the rights, or the policies, let somebody in to a pod: as they mean it, before anything
is tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from checks.capabilities import Cluster
from checks.diagnosis.policies.decision import Decision, Peer, decide
from checks.diagnosis.rights.people import lacks_tunnel
from checks.diagnosis.rights.team import identities
from checks.facts import Pod


def lacking(cluster: Cluster, member: str, pod: Pod) -> str:
    """What the member lacks for a tunnel to the pod, "" when one of their identities has it all."""
    found = [lacks_tunnel(cluster, person, pod.name) for person in identities(cluster, member)]
    return "" if "" in found else found[0]


def _asked(policies: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, str]]:
    """Labels that the policies ask of a client's pod: anybody may put them on a pod of theirs."""
    for policy in policies:
        for rule in policy["spec"].get("ingress") or ():
            for entry in rule.get("from") or ():
                selector = entry.get("podSelector") or {}
                labels = dict(selector.get("matchLabels") or {})
                for one in selector.get("matchExpressions") or ():
                    if one["operator"] in ("In", "Exists"):
                        labels[one["key"]] = (one.get("values") or [""])[0]
                if labels:
                    yield labels


def worn(cluster: Cluster) -> Sequence[Mapping[str, str]]:
    """The labels with which it is worth trying to get in: none, then those that the policies ask
    for."""
    return [{}, *_asked(cluster.objects("NetworkPolicy"))]


def dressed(
    cluster: Cluster, pod: Pod, port: int, namespace: str
) -> tuple[Mapping[str, str], Decision]:
    """With which labels a pod of `namespace` gets in, and what the policies decide of it."""
    policies = cluster.objects("NetworkPolicy")
    decisions = [
        (labels, decide(policies, pod, Peer(namespace, labels), port)) for labels in worn(cluster)
    ]
    for wanted in (True, None):
        for labels, decision in decisions:
            if decision.allowed is wanted:
                return labels, decision
    return decisions[0]
