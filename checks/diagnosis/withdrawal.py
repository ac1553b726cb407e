"""How to take a right away from some people, and from no others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from checks.diagnosis.objects import named
from checks.facts import Cluster
from checks.shell import one_word, thing


def withdrawn(cluster: Cluster, given: Sequence[tuple[str, str, str]]) -> tuple[tuple[str, ...], bool]:
    """The commands, one for each RoleBinding, and whether they leave nobody in any.

    `given`: name of a RoleBinding, kind and name of a subject of it ("NAME/NAMESPACE" of a ServiceAccount).
    """
    commands: list[str] = []
    alone = True
    for name in dict.fromkeys(one for one, _, _ in given):
        gone = {(kind, subject) for one, kind, subject in given if one == name}
        subjects = (named(cluster, "RoleBinding", name) or {}).get("subjects") or ()
        leaving = [index for index, subject in enumerate(subjects) if _names(subject, cluster.namespace) & gone]
        place = f"-n {cluster.namespace}"
        if not leaving or len(leaving) == len(subjects):
            commands.append(f"kubectl delete {thing('rolebinding', name)} {place} --ignore-not-found")
            continue
        alone = False
        patch = one_word(json.dumps(_without(subjects, leaving)))
        commands.append(f"kubectl patch {thing('rolebinding', name)} {place} --type=json -p {patch}")
    return tuple(commands), alone


def _names(subject: Mapping[str, Any], place: str) -> set[tuple[str, str]]:
    """What the API server, or the binding, calls a subject."""
    kind, name = str(subject["kind"]), str(subject["name"])
    return (
        {(kind, name), (kind, f"{name}/{subject.get('namespace') or place}")}
        if kind == "ServiceAccount"
        else {(kind, name)}
    )


def _without(subjects: Sequence[Mapping[str, Any]], leaving: Sequence[int]) -> Sequence[Mapping[str, str]]:
    """A JSON patch that removes these, the last first; each is tested to be still there."""
    changes: list[Mapping[str, str]] = []
    for index in reversed(leaving):
        path = f"/subjects/{index}"
        changes += [
            {"op": "test", "path": f"{path}/name", "value": str(subjects[index]["name"])},
            {"op": "remove", "path": path},
        ]
    return changes
