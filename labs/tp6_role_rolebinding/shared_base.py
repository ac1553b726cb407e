"""The base that the learner shares: who may open a tunnel to it, and the remedy that gives that
right."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import Database, ready_pods
from checks.diagnosis.rights.leaks import may
from checks.diagnosis.rights.people import Person, known, opening_verbs
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.team import members, user_of
from checks.errors import Unverifiable
from checks.facts import Colleague, Pod
from checks.shell import one_word

ROLE = "tunnel-vers-la-base"
"""Name of the solution's Role, and of its RoleBinding."""


@dataclass(frozen=True)
class Refusal:
    """What the API server refuses to somebody about a pod; `resource` has its subresource
    ("pods/portforward")."""

    user: str
    verb: str
    resource: str
    pod: str


def invited(cluster: Cluster) -> Sequence[tuple[Colleague, Person]]:
    """With whom the base is shared: the colleagues given with --collegue, then those of lab 8's
    team whom a RoleBinding names: its other members may come by the network."""
    return cluster.once(_invited)


def _invited(cluster: Cluster) -> Sequence[tuple[Colleague, Person]]:
    given = cluster.colleagues
    those = [*given, *_named_members(cluster, {one.namespace for one in given})]
    return [(one, known(cluster, one, f"Votre collègue ({one.user})")) for one in those]


def _named_members(cluster: Cluster, known_already: set[str]) -> Iterator[Colleague]:
    named = {one.name for binding in cluster.role_bindings() for one in binding.subjects}
    for member in members(cluster):
        with contextlib.suppress(Unverifiable):  # the sentences that need the name tell why
            user = user_of(cluster, member)
            if member not in known_already and user in named:
                yield Colleague(member, user)


def refused(cluster: Cluster, person: Person, pod: Pod) -> Refusal | None:
    """The first right that somebody lacks to forward to `pod`; None when there is none."""
    for verbs, subresource in ((("get",), ""), (opening_verbs(cluster), "portforward")):
        asked = [Request(verb, "", "pods", subresource, pod.name) for verb in verbs]
        if not any(may(cluster, person, one).allowed for one in asked):
            return Refusal(person.user, verbs[0], f"pods/{subresource}".rstrip("/"), pod.name)
    return None


def shared_pods(cluster: Cluster, person: Person) -> Sequence[Pod]:
    """The bases' pods that somebody may forward to. Raises Unverifiable when no base is ready any
    more."""
    return [pod for _, pod in ready_pods(cluster) if refused(cluster, person, pod) is None]


def meant(cluster: Cluster) -> tuple[Database, Pod]:
    """The base that the learner shares: of several, one that their Roles name. Raises Unverifiable
    when none is ready any more."""
    named_pods = {
        name for rules in cluster.roles().values() for rule in rules for name in rule.resource_names
    }
    ready = ready_pods(cluster)
    return next((one for one in ready if one[1].name in named_pods), ready[0])


def shared_again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy: the solution's role and binding, for the base that is there, and a binding
    for each other one invited. A binding's role cannot be changed, hence the deletions."""
    database, _ = meant(cluster)
    colleague, *others = (one for one, _ in invited(cluster))
    usual = f"oidc-{colleague.namespace.removeprefix('user-')}"
    named_so = (
        "" if colleague.user == usual else f"--utilisateur-collegue {one_word(colleague.user)} "
    )
    return (
        f"kubectl delete rolebinding {ROLE} -n {cluster.namespace} --ignore-not-found",
        f"cahier solution tp6 --namespace {cluster.namespace} --collegue {colleague.namespace} "
        f"{named_so}--base {database.release} --appliquer",
        *(command for one in others for command in _addressed(cluster, one)),
    )


def _addressed(cluster: Cluster, colleague: Colleague) -> tuple[str, str]:
    """The commands that give one more colleague the solution's role."""
    name, user = f"tunnel-{colleague.namespace}", one_word(colleague.user)
    return (
        f"kubectl delete rolebinding {name} -n {cluster.namespace} --ignore-not-found",
        f"kubectl create rolebinding {name} -n {cluster.namespace} --role={ROLE} --user={user}",
    )
