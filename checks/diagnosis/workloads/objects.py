"""Which object keeps a pod: what to delete for it not to come back."""

from __future__ import annotations

from typing import NamedTuple

from checks.capabilities import Cluster
from checks.facts import Pod
from checks.objects.parts import named


class Maker(NamedTuple):
    """The object to delete for a pod to go and not come back; its kind in lower case."""

    kind: str
    name: str


def maker(cluster: Cluster, pod: Pod) -> Maker:
    """What has made a pod; itself, where nothing keeps it."""
    owner = pod.controller
    if owner is None:
        return Maker("pod", pod.name)
    if owner.kind == "ReplicaSet":
        replica_set = named(cluster.replica_sets(), owner.name)
        owner = (replica_set.metadata.controller if replica_set else None) or owner
    return Maker(owner.kind.lower(), owner.name)
