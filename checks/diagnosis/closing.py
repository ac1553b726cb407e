"""The NetworkPolicy that closes a door to strangers and keeps it open to the members who come by the network."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from checks.diagnosis.admission import anybody, dressed, worn
from checks.diagnosis.doors import Door, base
from checks.diagnosis.objects import named
from checks.diagnosis.policies import NAMESPACE_NAME, Peer, decide
from checks.diagnosis.survey import survey
from checks.diagnosis.team import members
from checks.facts import Cluster


def close(cluster: Cluster, door: Door, by: str) -> Sequence[str]:
    """The command that makes the opening policy closed, or makes the one that lacks."""
    existing = named(cluster, "NetworkPolicy", by)
    verb = "replace" if existing is not None else "apply"
    manifest = json.dumps(_closed_policy(cluster, door, existing))
    return (f"echo {shlex.quote(manifest)} | kubectl {verb} -n {cluster.namespace} -f -",)


def _closed_policy(cluster: Cluster, door: Door, existing: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A policy for the door: what `existing` admits, strangers left out, the members who come by the network put in."""
    everyone = [anybody(name, labels) for name in survey(cluster).strangers for labels in worn(cluster)]
    rules = []
    for rule in ((existing or {}).get("spec") or {}).get("ingress") or ():
        kept = [entry for entry in rule.get("from") or () if not _admits(entry, door, everyone)]
        if kept:
            rules.append({**rule, "from": kept})
    by_network = [
        member
        for member in members(cluster)
        if survey(cluster).tunnels[member] and dressed(cluster, door.pod, door.port, member)[1].allowed is not False
    ]
    sources: list[Mapping[str, Any]] = [{"podSelector": {}}]
    for member in by_network:
        sources.append({"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: member}}})
    release = base(cluster)[0].release
    metadata = dict(
        (existing or {}).get("metadata") or {"name": release, "labels": dict(_release_labels(door, release))}
    )
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {key: metadata[key] for key in ("name", "labels") if metadata.get(key)},
        "spec": {
            "podSelector": ((existing or {}).get("spec") or {}).get("podSelector")
            or {"matchLabels": dict(_selected_by(door, release))},
            "policyTypes": ["Ingress"],
            "ingress": [*rules, {"from": sources}],
        },
    }


def _release_labels(door: Door, release: str) -> Iterator[tuple[str, str]]:
    return (
        (key, value)
        for key, value in door.pod.labels.items()
        if key.startswith("app.kubernetes.io/") or value == release
    )


def _selected_by(door: Door, release: str) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in door.pod.labels.items() if value == release)


def _admits(entry: Mapping[str, Any], door: Door, peers: Iterable[Peer]) -> bool:
    policy = {
        "metadata": {"name": "-"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [entry]}]},
    }
    return any(decide([policy], door.pod, peer, door.port).allowed is not False for peer in peers)
