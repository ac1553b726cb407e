"""Who else may have a right in the learner's namespace: whom it is asked of, and under which names
and groups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from checks.capabilities import Cluster
from checks.facts import OWNER_BINDING, Colleague, owners_of
from checks.refusals import service_account

_STRANGER = "cahier-inconnu"
EVERYBODY = {
    "system:authenticated": "N’importe quel utilisateur du cluster",
    "system:unauthenticated": "N’importe qui, même sans identité,",
    "system:serviceaccounts": "N’importe quel pod du cluster",
}
"""Groups that hold people whom the owner does not know, and how a sentence about them begins."""


def opening_verbs(cluster: Cluster) -> Sequence[str]:
    """Before Kubernetes 1.35, `get` alone opens a tunnel or a shell through a WebSocket."""
    return ("create",) if cluster.server_version >= (1, 35) else ("create", "get")


@dataclass(frozen=True)
class Person:
    """Somebody who is not the owner. `said` begins a French sentence about them.

    `certain`: whether those are all their groups, but for those that everybody is in.
    """

    user: str
    said: str
    groups: tuple[str, ...] = ()
    certain: bool = True

    @property
    def all_groups(self) -> frozenset[str]:
        """Their groups, with those that the API server gives to such a user."""
        return frozenset({*self.groups, "system:authenticated"})

    @property
    def home(self) -> str:
        """Namespace of a pod's account, or of a group of them; "" for a human."""
        for name in (self.user, *(self.groups if len(self.groups) == 1 else ())):
            found = re.match(r"system:serviceaccounts?:([^:]+)", name)
            if found:
                return found[1]
        return ""


def owners(cluster: Cluster) -> Sequence[tuple[str, str]]:
    """Kind and name of those to whom the platform gave the namespace: one person, or those of a
    project."""
    return [(subject.kind, subject.name) for subject in owners_of(cluster.role_bindings())]


def is_project(cluster: Cluster) -> bool:
    """Whether the namespace is several people's: a personal one has a single owner, whoever else
    was added to it."""
    return not cluster.namespace.startswith("user-")


def account(user: str, said: str) -> Person:
    """A pod's account, with the groups that the API server puts it in."""
    found = service_account(user)
    assert found is not None
    return Person(
        user, said, ("system:serviceaccounts", f"system:serviceaccounts:{found.namespace}")
    )


def _colleagues(cluster: Cluster) -> Sequence[Person]:
    return [known(cluster, one, f"Votre collègue ({one.user})") for one in cluster.colleagues]


def colleagues(cluster: Cluster) -> Sequence[Person]:
    """Those who were given with --collegue, with their real groups where their access is at
    hand."""
    return cluster.once(_colleagues)


def as_colleague(cluster: Cluster, one: Colleague) -> Cluster | None:
    """This namespace as a colleague sees it, where their own access is at hand."""
    theirs = cluster.as_owner(one.namespace, at=cluster.namespace)
    return theirs if theirs is not None and theirs.user == one.user else None


def known(cluster: Cluster, one: Colleague, said: str) -> Person:
    """Somebody whose namespace is known, with their real groups where their access is at hand."""
    if service_account(one.user):
        return account(one.user, said)
    theirs = as_colleague(cluster, one)
    if theirs is None:
        return Person(one.user, said, certain=False)
    return Person(one.user, said, tuple(group for group in theirs.groups if group not in EVERYBODY))


def in_groups(cluster: Cluster, person: Person) -> Iterator[Person]:
    """The same person in each group that a RoleBinding names, where it is not known whether they
    are in it."""
    if person.certain:
        return
    for binding in cluster.role_bindings():
        if binding.name == OWNER_BINDING:
            continue
        for subject in binding.subjects:
            if subject.kind == "Group" and subject.name not in EVERYBODY:
                yield replace(person, groups=(subject.name,))


def owns(cluster: Cluster, person: Person) -> bool:
    """Whether somebody is known to be one of those to whom a project's namespace belongs."""
    theirs = {("User", person.user), *(("Group", group) for group in person.groups)}
    return is_project(cluster) and not theirs.isdisjoint(owners(cluster))


def people(cluster: Cluster) -> Iterator[Person]:
    """Everybody of whom it is asked: anybody at all, the colleagues, and whoever a RoleBinding
    names.

    Never those who own the namespace: of a project, all its people.
    """
    yield Person(_STRANGER, EVERYBODY["system:authenticated"], tuple(EVERYBODY))
    met = {("User", cluster.user)}  # a user and a group of one name are two
    met |= {("Group", name) for name in (*EVERYBODY, f"system:serviceaccounts:{cluster.namespace}")}
    named_owners = owners(cluster)
    # the second: a ServiceAccount of ours
    if is_project(cluster) or ("User", cluster.user) not in named_owners:
        met |= set(named_owners)
    for person in colleagues(cluster):
        if ("User", person.user) not in met and not owns(cluster, person):
            met.add(("User", person.user))
            yield person
    for binding in cluster.role_bindings():
        for subject in binding.subjects:
            person = _bound(
                cluster, subject.kind, subject.name, subject.namespace or cluster.namespace
            )
            who = ("Group", subject.name) if subject.kind == "Group" else ("User", person.user)
            if person.home != cluster.namespace and who not in met:  # else a pod of the owner's
                met.add(who)
                yield person


def _bound(cluster: Cluster, kind: str, name: str, home: str) -> Person:
    """Whom a subject of a RoleBinding means."""
    if kind == "ServiceAccount":
        said = f"Le compte de service {name} du namespace {home}"
        return account(f"system:serviceaccount:{home}:{name}", said)
    if kind == "Group":
        return Person(_STRANGER, f"Tout membre du groupe {name}", (name,))
    said = f"L’utilisateur {name}"
    return account(name, said) if service_account(name) else Person(name, said)


def lacks_tunnel(cluster: Cluster, person: Person, pod: str) -> str:
    """What this person lacks for a tunnel to the pod, as the API server says; "" for nothing."""

    def may(verb: str, resource: str) -> bool:
        return cluster.may_other(
            person.user, verb, resource, name=pod, groups=person.groups
        ).allowed

    if not may("get", "pods"):
        return f"ne peut pas lire le pod {pod}"
    if any(may(verb, "pods/portforward") for verb in opening_verbs(cluster)):
        return ""
    return f"peut lire le pod {pod}, mais pas y ouvrir de tunnel"
