"""The command that closes a door to strangers and keeps it open to the members who come by the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from checks.diagnosis.admission import dressed
from checks.diagnosis.doors import Door, base
from checks.diagnosis.objects import named
from checks.diagnosis.policies import NAMESPACE_NAME
from checks.diagnosis.survey import reading, survey
from checks.diagnosis.team import members
from checks.facts import Cluster
from checks.shell import one_word


def close(cluster: Cluster, door: Door, by: Sequence[str]) -> Sequence[str]:
    """The commands that close what the policies `by` open, or make the policy that lacks.

    One that also serves others (an operator, another port) is rewritten, so that they are not shut out.
    """
    if any(reading(cluster, door).serves_others(policy) for policy in cluster.objects("NetworkPolicy")):
        return [_rewritten(cluster, door, named(cluster, "NetworkPolicy", name)) for name in by or [""]]
    only = " ".join(f"--seulement {name}" for name in (cluster.namespace, *_by_network(cluster, door)))
    return (f"cahier catalogue fermer {base(cluster)[0].release} --namespace {cluster.namespace} {only}",)


def _by_network(cluster: Cluster, door: Door) -> Sequence[str]:
    """The members who come by the network, as far as the policies let them."""
    return [
        member
        for member in members(cluster)
        if survey(cluster).tunnels[member] and dressed(cluster, door.pod, door.port, member)[1].allowed is not False
    ]


def _rewritten(cluster: Cluster, door: Door, existing: Mapping[str, Any] | None) -> str:
    """The command that makes a policy for the door: what `existing` admits, strangers left out, the members who come
    by the network put in."""
    release = base(cluster)[0].release
    sources: list[Mapping[str, Any]] = [{"podSelector": {}}]
    for member in _by_network(cluster, door):
        sources.append({"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: member}}})
    made = {"name": release, "labels": _release_labels(door, release)}
    metadata = (existing or {}).get("metadata") or made
    own = {key: value for key, value in door.pod.labels.items() if value == release}
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {key: metadata[key] for key in ("name", "labels") if metadata.get(key)},
        "spec": {
            "podSelector": ((existing or {}).get("spec") or {}).get("podSelector") or {"matchLabels": own},
            "policyTypes": ["Ingress"],
            "ingress": [*(reading(cluster, door).kept(existing) if existing else []), {"from": sources}],
        },
    }
    verb = "apply" if existing is None else "replace"
    return f"echo {one_word(json.dumps(manifest))} | kubectl {verb} -n {cluster.namespace} -f -"


def _release_labels(door: Door, release: str) -> Mapping[str, str]:
    return {
        key: value for key, value in door.pod.labels.items() if key.startswith("app.kubernetes.io/") or value == release
    }
