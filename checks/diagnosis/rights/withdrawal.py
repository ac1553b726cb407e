"""How to take a right away from some people, and from no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.facts import OWNER_BINDING
from checks.objects.parts import named
from checks.objects.rights import Binding, Subject
from checks.shell import one_word, thing


@dataclass(frozen=True)
class Grant:
    """A binding that gives a right, and to whom it is addressed: "NAME/NAMESPACE" for a
    ServiceAccount."""

    binding_kind: str
    binding: str
    role_kind: str
    role: str
    subject_kind: str
    subject: str


@dataclass(frozen=True)
class Withdrawal:
    """What takes grants away. `leaves_nobody`: no RoleBinding keeps anybody else."""

    commands: tuple[str, ...]
    leaves_nobody: bool


def withdrawn(cluster: Cluster, grants: Sequence[Grant]) -> Withdrawal:
    """The commands for each RoleBinding of these grants."""
    commands: list[str] = []
    alone = True
    for name in dict.fromkeys(one.binding for one in grants):
        gone = {(one.subject_kind, one.subject) for one in grants if one.binding == name}
        binding = named(cluster.role_bindings(), name)
        subjects = binding.subjects if binding is not None else ()
        staying = [one for one in subjects if not _names(one, cluster.namespace) & gone]
        deleted = (
            f"kubectl delete {thing('rolebinding', name)} -n {cluster.namespace} --ignore-not-found"
        )
        if binding is None or not staying or len(staying) == len(subjects):
            commands.append(deleted)
            continue
        alone = False
        made = " ".join(_made(binding, staying, cluster.namespace))
        if name == OWNER_BINDING:  # without it, its owner could not make it again
            commands.append(f"{made} --dry-run=client -o yaml | kubectl apply -f -")
        else:
            commands += [deleted, made]
    return Withdrawal(tuple(commands), alone)


def _made(binding: Binding, subjects: Sequence[Subject], place: str) -> Iterator[str]:
    """The words of the command that makes a binding anew for these subjects only."""
    yield f"kubectl create rolebinding {one_word(binding.name)} -n {place}"
    yield f"--{binding.role_kind.lower()}={one_word(binding.role)}"
    for one in subjects:
        is_account = one.kind == "ServiceAccount"
        whole = f"{one.namespace or place}:{one.name}" if is_account else one.name
        yield f"--{one.kind.lower()}={one_word(whole)}"


def _names(subject: Subject, place: str) -> set[tuple[str, str]]:
    """What the API server, or the binding, calls a subject: each time its kind, then its name."""
    kind, name = subject.kind, subject.name
    if kind != "ServiceAccount":
        return {(kind, name)}
    return {(kind, name), (kind, f"{name}/{subject.namespace or place}")}
