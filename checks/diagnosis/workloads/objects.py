"""Objects by their name, and which of them keeps another one: what to delete for it not to come
back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.capabilities import Cluster
from checks.facts import Pod


def named(cluster: Cluster, kind: str, name: str) -> Mapping[str, Any] | None:
    """The object of that kind and name in the learner's namespace, as the API gives it."""
    return next((item for item in cluster.objects(kind) if item["metadata"]["name"] == name), None)


def controller(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference (kind, name, uid) to the object that keeps this one; empty when nothing
    does."""
    owners = item["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def maker(cluster: Cluster, pod: Pod) -> tuple[str, str]:
    """Kind, in lower case, and name of the object to delete for the pod to go and not come back."""
    owner = controller(pod.raw)
    if not owner:
        return "pod", pod.name
    if owner["kind"] == "ReplicaSet":
        owner = controller(named(cluster, "ReplicaSet", owner["name"]) or {"metadata": {}}) or owner
    return str(owner["kind"]).lower(), str(owner["name"])
