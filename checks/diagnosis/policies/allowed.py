"""Those who may come to a pod, and what is known of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.policies.decision import NAMESPACE_NAME, Peer

OWNER = "onyxia_owner"
"""The label that the platform puts on the namespace of each person, with their name."""
_PEOPLE = ("user-", "projet-")


def administrators(cluster: Cluster, friends: Sequence[str]) -> Callable[[str], bool]:
    """Tells the administrators' namespaces (the operator's, kube-system) from people's, `friends`
    being some of these.

    A learner may not ask who owns a namespace. Two things are known of all of them: those of people
    are called in the platform's way, or as ours and our colleagues' are; and nobody of a class may
    make pods in an administrators' one, which the API server tells us about ourselves. There, and
    only there, a pod's label is not what anybody likes: a rule that asks for one admits programs of
    the administrators, and nobody else. A whole namespace stays an opening.
    """
    shapes = {name.partition("-")[0] + "-" for name in (cluster.namespace, *friends) if "-" in name}
    people = (*_PEOPLE, *(shapes if len(shapes) == 1 else ()))

    def told(name: str) -> bool:
        if name in friends or name.startswith(people) or name in cluster.outsiders():
            return False
        return not cluster.may("create", "pods", namespace=name).allowed

    return told


@dataclass(frozen=True)
class Circle:
    """Those who may come, and what is known of the others.

    `tried` is a pod of somebody else from which a connection was made, `entered` whether it came
    in; `addresses` are those of pods of this cluster.
    """

    namespaces: frozenset[str]
    administrators: Callable[[str], bool]
    addresses: Sequence[str] = ()
    tried: Peer | None = None
    entered: bool = False


def owner_of(namespace: str) -> str:
    """Whom the platform's label names on the namespace of a person."""
    return namespace.removeprefix("user-")


def known_labels(namespace: str) -> Mapping[str, str]:
    """What is known of the labels of a namespace."""
    personal = {OWNER: owner_of(namespace)} if namespace.startswith("user-") else {}
    return {NAMESPACE_NAME: namespace, **personal}
