"""The NetworkPolicy that closes a door to strangers and keeps it open to the members who come by the network."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checks.diagnosis.admission import dressed
from checks.diagnosis.doors import Door, base
from checks.diagnosis.objects import named
from checks.diagnosis.policies import NAMESPACE_NAME
from checks.diagnosis.survey import reading, survey
from checks.diagnosis.team import members
from checks.facts import Cluster


def close(cluster: Cluster, door: Door, by: Sequence[str]) -> Sequence[str]:
    """The commands that make the opening policies closed, or make the one that lacks."""
    return [_closed(cluster, door, name) for name in by or [""]]


def _closed(cluster: Cluster, door: Door, by: str) -> str:
    existing = named(cluster, "NetworkPolicy", by)
    verb = "replace" if existing is not None else "apply"
    manifest = json.dumps(_closed_policy(cluster, door, existing))
    return f"echo {shlex.quote(manifest)} | kubectl {verb} -n {cluster.namespace} -f -"


def _closed_policy(cluster: Cluster, door: Door, existing: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A policy for the door: what `existing` admits, strangers left out, the members who come by the network put in."""
    rules = reading(cluster, door).kept(existing) if existing else []
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
