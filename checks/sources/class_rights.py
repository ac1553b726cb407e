"""Who may do what in the namespaces of a class, without asking the API server all of it again.

What is read, once for the class: the Roles and RoleBindings of its namespaces, the
ClusterRoleBindings where they may be listed, and the ClusterRoles that all these name. What RBAC
answers is drawn from them as Kubernetes' own code does (`checks.diagnosis.rights.rbac`, which
tests/platform/test_rbac_oracle.py holds against that code).

RBAC only adds: a request is allowed as soon as one rule that reaches who makes it covers it, and no
rule takes anything away. So a no is certain where every binding that reaches somebody was read,
with its role, and nothing else than RBAC allows anything.

What is asked for real, each time:

- what bindings allow: nobody is credited with a right, or accused of one, that the API server does
  not confirm, and whatever else denies it is heard;
- what concerns a name of Kubernetes' own (`system:`), which more than RBAC knows;
- what reaches somebody by a role that may not be read;
- everything, once something else than RBAC, or a ClusterRoleBinding made since, has allowed
  anything.

And of what no binding allows, at least one question in each namespace, one about each person, and
one about each verb of each resource: whatever allows beside RBAC (a webhook, ABAC) and favours one
of these is met there.

Where ClusterRoleBindings may not be listed, what they give to somebody is known by asking alone.
They hold in all namespaces alike: the answer that none of them gives something is worth the same in
each, so it is asked once for the class.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from checks.access.answers import typed
from checks.access.kubernetes_api import Api
from checks.diagnosis.rights.people import EVERYBODY
from checks.diagnosis.rights.rbac import Granted, Request, applies, covers, granted
from checks.errors import Refused, Unverifiable
from checks.facts import Access
from checks.objects.rights import Binding, BindingObject, Role, Rule, binding_of
from checks.sources.reviews import Question, of_another

_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
_OF_KUBERNETES = "system:"
_BY_RBAC = "RBAC: allowed by "
BY_THE_NAMESPACE = f"{_BY_RBAC}RoleBinding "
"""How the reason begins of what a binding of the namespace allows."""
_BY_THE_CLUSTER = f"{_BY_RBAC}ClusterRoleBinding "

REASONED = Access(False)
"""The answer that was not asked: there is nothing to keep of it."""

RulesOf = Callable[[str], Sequence[Rule] | None]
"""The rules of a ClusterRole, none where it is not there; None where it may not be read."""


def rules_of(find: Callable[[str], Mapping[str, Any] | None], name: str) -> Sequence[Rule] | None:
    """Those of a ClusterRole that `find` gives. Raises AccessError."""
    try:
        found = find(name)
    except (Refused, Unverifiable):
        return None
    return () if found is None else typed(found, Role).rules


class Grants(NamedTuple):
    """What bindings give to somebody. `whole`: whether every role of theirs was read."""

    granted: Sequence[Granted]
    whole: bool

    def allowing(self, request: Request) -> Granted | None:
        """What gives a right; None where nothing that was read does."""
        return next((one for one in self.granted if covers(one.rule, request)), None)

    def deny(self, request: Request) -> bool:
        """Whether it is certain that they do not give it."""
        return self.whole and self.allowing(request) is None


def _grants(
    user: str,
    groups: Collection[str],
    bindings: Sequence[Binding],
    roles: Mapping[str, Sequence[Rule]],
    rules_of: RulesOf,
    namespace: str,
) -> Grants:
    found = {one.role: rules_of(one.role) for one in bindings if one.role_kind == "ClusterRole"}
    read = {name: rules for name, rules in found.items() if rules is not None}
    held = granted(user, groups, bindings, roles, read, namespace)
    return Grants([*held], len(read) == len(found))


class Held:
    """What the Roles and RoleBindings of a namespace give to each person."""

    def __init__(
        self,
        namespace: str,
        bindings: Sequence[Binding],
        roles: Mapping[str, Sequence[Rule]],
        rules_of: RulesOf,
    ) -> None:
        self.namespace = namespace
        self._bindings, self._roles, self._rules_of = bindings, roles, rules_of
        self._kept: dict[tuple[str, tuple[str, ...]], Grants] = {}

    def by(self, user: str, groups: tuple[str, ...]) -> Grants:
        """What they give to somebody. Raises AccessError."""
        if (user, groups) not in self._kept:
            reaching = [
                one
                for one in self._bindings
                if any(applies(to, user, groups, self.namespace) for to in one.subjects)
            ]
            self._kept[user, groups] = _grants(
                user, groups, reaching, self._roles, self._rules_of, self.namespace
            )
        return self._kept[user, groups]


class ClassRights:
    """The answers about the people of a class. From several threads."""

    def __init__(self, api: Api, rules_of: RulesOf) -> None:
        self._api, self._rules_of = api, rules_of
        self._turn = threading.Lock()
        self._by_the_cluster: dict[tuple[str, tuple[str, ...]], Grants] = {}
        self._shared: dict[Question, Access] = {}
        self._witnessed: set[tuple[str, ...]] = set()
        self._certain = True

    def may(self, question: Question, namespace: str, held: Held | None) -> Access:
        """The answer about somebody in a namespace. `held`: None where its bindings may not be
        read. Raises AccessError."""
        user, groups, request = question
        if held is None or not self._certain or _is_of_kubernetes(question):
            return of_another(self._api, namespace, question)
        if not held.by(user, groups).deny(request):
            return self._asked(question, namespace)
        given = self._given(user, groups)
        if given is None:
            return self._once(question, namespace)
        if not given.deny(request):
            return self._asked(question, namespace)
        needed = {
            ("in", namespace),
            ("to", user),
            (request.verb, request.group, request.resource, request.subresource),
        }
        if needed <= self._witnessed:
            return REASONED
        answer = self._asked(question, namespace)
        if answer.reason.startswith(_BY_THE_CLUSTER):
            self._certain = False
        if not answer.allowed:
            self._witnessed |= needed
        return answer

    def _once(self, question: Question, namespace: str) -> Access:
        if question not in self._shared:
            answer = self._asked(question, namespace)
            if answer.reason.startswith(BY_THE_NAMESPACE):
                return answer  # it was given there since its bindings were read
            self._shared[question] = answer
        return self._shared[question]

    def _asked(self, question: Question, namespace: str) -> Access:
        answer = of_another(self._api, namespace, question)
        if answer.allowed and not answer.reason.startswith(_BY_RBAC):
            self._certain = False
        return answer

    def _given(self, user: str, groups: tuple[str, ...]) -> Grants | None:
        """What the cluster gives to somebody, whatever the namespace; None where its bindings may
        not be listed."""
        with self._turn:
            by_subject = self._by_subject
        if by_subject is None:
            return None
        if (user, groups) not in self._by_the_cluster:
            names = [("User", user), *(("Group", one) for one in groups)]
            reaching = [one for name in names for one in by_subject.get(name, ())]
            self._by_the_cluster[user, groups] = _grants(
                user, groups, reaching, {}, self._rules_of, ""
            )
        return self._by_the_cluster[user, groups]

    @cached_property
    def _by_subject(self) -> Mapping[tuple[str, str], Sequence[Binding]] | None:
        try:
            found = self._api.each(BindingObject, "", _BINDINGS)
        except (Refused, Unverifiable):
            return None
        by_subject: dict[tuple[str, str], list[Binding]] = {}
        for one in found:
            binding = binding_of(one, "ClusterRoleBinding")
            for subject in binding.subjects:
                by_subject.setdefault((subject.kind, subject.name), []).append(binding)
        return by_subject


def _is_of_kubernetes(question: Question) -> bool:
    """Whether a name of Kubernetes' own is asked about, other than those that everybody bears."""
    names = (question.user, *(one for one in question.groups if one not in EVERYBODY))
    return any(name.startswith(_OF_KUBERNETES) for name in names)
