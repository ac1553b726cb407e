"""What somebody may do in the learner's namespace: read off every RoleBinding that reaches them, as
RBAC reads it.

It only tells what to ask: nobody is accused of a right that the API server does not confirm.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from checks.capabilities import Cluster
from checks.diagnosis.rights import rbac
from checks.diagnosis.rights.identity import personal_namespaces
from checks.diagnosis.rights.people import Person
from checks.diagnosis.rights.rbac import Granted, Request
from checks.diagnosis.rights.wording import HOMES, RANK, READS, TELLING, WRITES
from checks.errors import Forbidden, Unverifiable
from checks.objects.rights import Binding, Rule

_OPENED = ("create", "get")
_VERBS = {
    **dict.fromkeys(("exec", "attach", "portforward"), _OPENED),
    **{"log": ("get",), "eviction": ("create",), "token": ("create",), "binding": ("create",)},
}
"""The verbs of subresources that have no others."""


@dataclass(frozen=True)
class Lead:
    """A right that somebody should have. `by`: what gives it, None where only the API server
    knows."""

    request: Request
    by: Granted | None = None


@dataclass(frozen=True)
class Holding:
    """The rights of somebody, those that open most first; `unread`: bindings whose role we may not
    read."""

    leads: tuple[Lead, ...] = ()
    unread: tuple[Binding, ...] = ()


def requests(rule: Rule) -> Iterator[Request]:
    """One request for each right that a rule gives in a namespace; a `*` stands for what the table
    knows, and itself.

    What a rule cannot give is left out. `pods/*` is no resource. Creating and emptying name no
    object, so that such a rule narrowed to names gives nothing, but for an object that another verb
    may already change. Some subresources take one verb or two, whatever is written.
    """
    names = rule.resource_names or ("",)
    anybody = msgspec.structs.replace(rule, resource_names=())
    told = [one for one in TELLING if rbac.covers(anybody, one)]
    for request in dict.fromkeys([*told, *_written(rule)]):
        nameless = request.verb in ("create", "deletecollection") and not request.subresource
        served = request.verb in _VERBS.get(request.subresource, (request.verb,))
        if served and request.subresource != "*" and not (rule.resource_names and nameless):
            yield from (replace(request, name=name) for name in names)


def _written(rule: Rule) -> Iterator[Request]:
    """What is written in the rule, word by word."""
    verbs = [
        word for verb in rule.verbs for word in ((*READS, *WRITES) if verb == "*" else (verb,))
    ]
    for group, name, verb in itertools.product(rule.api_groups, rule.resources, verbs):
        resource, _, subresource = name.partition("/")
        if not _nowhere(group, resource):
            yield Request(verb, group, resource, subresource)


def _nowhere(group: str, resource: str) -> bool:
    """Whether this is a resource of Kubernetes in a group of Kubernetes that does not have it:
    `apps` has no pods."""
    homes = HOMES.get(resource, set())
    own = group in ("*", "") or "." not in group or group.endswith(".k8s.io")
    return bool(homes) and own and group not in homes


def _cluster_roles(cluster: Cluster) -> Mapping[str, Sequence[Rule] | None]:
    """Rules of the ClusterRoles that a RoleBinding names; None for those that we may not read."""
    found: dict[str, Sequence[Rule] | None] = {}
    for binding in cluster.role_bindings():
        if binding.role_kind == "ClusterRole" and binding.role not in found:
            try:
                role = cluster.cluster_role(binding.role)
                found[binding.role] = role.rules if role is not None else ()
            except (Forbidden, Unverifiable):
                found[binding.role] = None
    return found


def bindings_of(cluster: Cluster, person: Person) -> Sequence[Binding]:
    """The RoleBindings of the namespace that reach somebody."""
    return [
        binding
        for binding in cluster.role_bindings()
        if any(
            rbac.applies(one, person.user, person.all_groups, cluster.namespace)
            for one in binding.subjects
        )
    ]


def holding(cluster: Cluster, person: Person) -> Holding:
    """What somebody may do in the namespace, as far as it can be read."""
    mine = bindings_of(cluster, person)
    if not mine:
        return Holding()
    cluster_roles = (
        cluster.once(_cluster_roles) if any(one.role_kind == "ClusterRole" for one in mine) else {}
    )
    unread = tuple(
        one for one in mine if one.role_kind == "ClusterRole" and cluster_roles[one.role] is None
    )
    read = {name: rules for name, rules in cluster_roles.items() if rules is not None}
    granted = rbac.granted(
        person.user, person.all_groups, mine, cluster.roles(), read, cluster.namespace
    )
    leads = [Lead(request, one) for one in granted for request in requests(one.rule)]
    if unread:
        own = _own_rules(cluster, person)
        if own is not None:
            unread = ()
            leads += [Lead(request) for rule in own for request in requests(rule)]
    leads.sort(key=lambda lead: RANK.get(replace(lead.request, name=""), len(RANK)))
    return Holding(tuple(leads), unread)


def _own_rules(cluster: Cluster, person: Person) -> Sequence[Rule] | None:
    """All that the API server grants to a person, asked as them; None where their access is not at
    hand."""
    for namespace in personal_namespaces(person.user):
        theirs = cluster.as_owner(namespace, at=cluster.namespace)
        if theirs is not None and theirs.user == person.user:
            return theirs.own_rules()
    return None
