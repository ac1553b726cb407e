"""How to take a right away from some people, and from no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checks.capabilities import Cluster
from checks.diagnosis.workloads.objects import named
from checks.facts import OWNER_BINDING
from checks.shell import one_word, thing


def withdrawn(
    cluster: Cluster, given: Sequence[tuple[str, str, str]]
) -> tuple[tuple[str, ...], bool]:
    """The commands for each RoleBinding, and whether they leave nobody in any.

    `given`: name of a RoleBinding, kind and name of a subject of it ("NAME/NAMESPACE" of a
    ServiceAccount).
    """
    commands: list[str] = []
    alone = True
    for name in dict.fromkeys(one for one, _, _ in given):
        gone = {(kind, subject) for one, kind, subject in given if one == name}
        binding = named(cluster, "RoleBinding", name) or {}
        subjects = binding.get("subjects") or ()
        staying = [one for one in subjects if not _names(one, cluster.namespace) & gone]
        deleted = (
            f"kubectl delete {thing('rolebinding', name)} -n {cluster.namespace} --ignore-not-found"
        )
        if not staying or len(staying) == len(subjects):
            commands.append(deleted)
            continue
        alone = False
        made = " ".join(_made(binding, staying, cluster.namespace))
        if name == OWNER_BINDING:  # without it, its owner could not make it again
            commands.append(f"{made} --dry-run=client -o yaml | kubectl apply -f -")
        else:
            commands += [deleted, made]
    return tuple(commands), alone


def _made(
    binding: Mapping[str, Any], subjects: Sequence[Mapping[str, Any]], place: str
) -> Iterator[str]:
    """The words of the command that makes a binding anew for these subjects only."""
    role = binding["roleRef"]
    yield f"kubectl create rolebinding {one_word(binding['metadata']['name'])} -n {place}"
    yield f"--{role['kind'].lower()}={one_word(role['name'])}"
    for one in subjects:
        whole = (
            f"{one.get('namespace') or place}:{one['name']}"
            if one["kind"] == "ServiceAccount"
            else one["name"]
        )
        yield f"--{one['kind'].lower()}={one_word(whole)}"


def _names(subject: Mapping[str, Any], place: str) -> set[tuple[str, str]]:
    """What the API server, or the binding, calls a subject."""
    kind, name = str(subject["kind"]), str(subject["name"])
    return (
        {(kind, name), (kind, f"{name}/{subject.get('namespace') or place}")}
        if kind == "ServiceAccount"
        else {(kind, name)}
    )
