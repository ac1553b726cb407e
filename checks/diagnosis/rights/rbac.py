"""What Roles and bindings grant, by the rules of the API server's own RBAC authorizer.

Those of Kubernetes' plugin/pkg/auth/authorizer/rbac, of pkg/registry/rbac/validation for whom a
binding names, and of pkg/controller/clusterroleaggregation.
`tests/platform/test_rbac_oracle.py` compares them with that very code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.objects.rights import Binding, Role, Rule, Subject

_ALL = "*"


@dataclass(frozen=True)
class Request:
    """What is asked of the API server: about a resource, or, with `path`, a URL that is none's
    (/metrics).

    `name` "" where no object is named: list, watch, deletecollection, create.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True)
class Granted:
    """A rule that somebody holds, by which binding and as which of its subjects."""

    binding: Binding
    subject: Subject
    rule: Rule


def covers(rule: Rule, request: Request) -> bool:
    """Whether this rule alone allows the request."""
    if not _takes(rule.verbs, request.verb):
        return False
    if request.path:
        return any(_is_url(url, request.path) for url in rule.non_resource_urls)
    return (
        _takes(rule.api_groups, request.group)
        and any(_is_resource(resource, request) for resource in rule.resources)
        and (not rule.resource_names or request.name in rule.resource_names)
    )


def _takes(words: Collection[str], wanted: str) -> bool:
    return _ALL in words or wanted in words


def _is_resource(resource: str, request: Request) -> bool:
    """ "pods" is without its subresources, "*" with them, "*/log" that of all resources; "pods/*"
    is nothing."""
    if not request.subresource:
        return resource in (_ALL, request.resource)
    return resource in (
        _ALL,
        f"{request.resource}/{request.subresource}",
        f"*/{request.subresource}",
    )


def _is_url(url: str, path: str) -> bool:
    return path == url or (url.endswith(_ALL) and path.startswith(url.rstrip(_ALL)))


def applies(subject: Subject, user: str, groups: Collection[str], namespace: str) -> bool:
    """Whether a subject is this user. `namespace`: the binding's, "" for a ClusterRoleBinding."""
    match subject.kind:
        case "User":
            return user == subject.name
        case "Group":
            return subject.name in groups
        case "ServiceAccount":
            home = subject.namespace or namespace
            return bool(home) and user == f"system:serviceaccount:{home}:{subject.name}"
        case _:
            return False


def aggregated(cluster_role: Role, all_cluster_roles: Iterable[Role]) -> Sequence[Rule]:
    """What the controller makes of a ClusterRole: the rules of those that its aggregationRule
    selects, as they are.

    Its own rules stay where nothing is selected, for the controller applies none. The authorizer
    reads what is written, and it is written a moment later.
    """
    rule = cluster_role.aggregation_rule
    if rule is None:
        return cluster_role.rules
    others = sorted(
        (one for one in all_cluster_roles if one.name != cluster_role.name),
        key=lambda one: one.name,
    )
    found = (
        part
        for selector in rule.cluster_role_selectors
        for other in others
        if selector.selects(other.metadata.labels)
        for part in other.rules
    )
    return list(dict.fromkeys(found)) or cluster_role.rules


def granted(
    user: str,
    groups: Collection[str],
    bindings: Iterable[Binding],
    roles: Mapping[str, Sequence[Rule]],
    cluster_roles: Mapping[str, Sequence[Rule]],
    namespace: str,
) -> Iterator[Granted]:
    """Every rule that the user holds in `namespace`; in no namespace ("") for what belongs to none.

    `roles` and `bindings` of kind RoleBinding are those of `namespace`; a role that is not there
    grants nothing.
    """
    for one in bindings:
        place = namespace if one.kind == "RoleBinding" else ""
        if one.kind == "RoleBinding" and not namespace:
            continue
        given: Sequence[Rule] = ()
        if one.role_kind == "ClusterRole":
            given = cluster_roles.get(one.role, ())
        elif one.role_kind == "Role" and place:
            given = roles.get(one.role, ())
        for subject in one.subjects:
            if applies(subject, user, groups, place):
                yield from (Granted(one, subject, rule) for rule in given)
