"""What is reasoned of the rights of a class, and what is asked all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from checks.access.answers import typed
from checks.access.kubernetes_api import Api
from checks.diagnosis.rights.rbac import Request
from checks.errors import Refused
from checks.facts import Access
from checks.objects.rights import Binding, Rule, Subject
from checks.sources import class_rights
from checks.sources.class_rights import ClassRights, Held
from checks.sources.reviews import Question

EVERYBODY = ("system:authenticated",)
PODS, SECRETS = Request("list", resource="pods"), Request("list", resource="secrets")
READS_PODS = Rule(("",), ("pods",), ("list",))


class _Cluster:
    """An API server of which the bindings are listed, and whose answers are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, listed: bool = True) -> None:
        self.listed = listed
        self.bindings: list[dict[str, Any]] = []
        self.asked: list[tuple[str, Question]] = []
        self.answer = Access(False)
        self.roles: dict[str, Sequence[Rule] | None] = {"lecteur": [READS_PODS], "caché": None}
        monkeypatch.setattr(class_rights, "of_another", self._of_another)
        self.rights = ClassRights(cast(Api, self), lambda name: self.roles.get(name, ()))

    def each(self, kind: type, of: str, path: str) -> Sequence[Any]:
        if not self.listed:
            raise Refused("non", "", 403)
        return [typed(one, kind) for one in self.bindings]

    def _of_another(self, _api: object, namespace: str, question: Question) -> Access:
        self.asked.append((namespace, question))
        return self.answer

    def may(
        self, user: str, request: Request, *bindings: Binding, at: str = "user-a", groups: Any = ()
    ) -> Access:
        held = Held(at, bindings, {}, lambda name: self.roles.get(name, ()))
        question = Question(user, (*groups, *EVERYBODY), request)
        return self.rights.may(question, at, held)

    def to(self, kind: str, name: str, role: str = "lecteur") -> None:
        """Have the cluster give a role."""
        self.bindings.append(
            {
                "metadata": {"name": "b"},
                "roleRef": {"kind": "ClusterRole", "name": role},
                "subjects": [{"kind": kind, "name": name}],
            }
        )


def _binding(user: str, role: str = "lecteur") -> Binding:
    return Binding("RoleBinding", "b", "ClusterRole", role, (Subject("User", user),))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> _Cluster:
    return _Cluster(monkeypatch)


def test_each_namespace_person_and_right_is_asked_once(cluster: _Cluster) -> None:
    for user, request, at in (
        ("bob", PODS, "user-a"),
        ("bob", SECRETS, "user-a"),  # another right
        ("eve", SECRETS, "user-a"),  # somebody else
        ("eve", PODS, "user-b"),  # another namespace
    ):
        cluster.may(user, request, at=at)
    assert len(cluster.asked) == 4
    for user in ("bob", "eve"):
        for request in (PODS, SECRETS):
            for at in ("user-a", "user-b"):
                assert not cluster.may(user, request, at=at).allowed
    assert len(cluster.asked) == 4


def _settle(cluster: _Cluster) -> int:
    """Have everything been asked that is asked once; how often was asked."""
    for user in ("bob", "eve"):
        for request in (PODS, SECRETS):
            for at in ("user-a", "user-b"):
                cluster.may(user, request, at=at)
    return len(cluster.asked)


@pytest.mark.parametrize("where", ["namespace", "user", "group"])
def test_what_a_binding_gives_is_always_the_api_server_s_word(
    cluster: _Cluster, where: str
) -> None:
    if where != "namespace":
        cluster.to(*{"user": ("User", "bob"), "group": ("Group", EVERYBODY[0])}[where])
    bindings = [_binding("bob")] if where == "namespace" else []
    _settle(cluster)
    asked, cluster.answer = len(cluster.asked), Access(True, "RBAC: allowed by RoleBinding …")
    for _ in range(2):
        assert cluster.may("bob", PODS, *bindings) is cluster.answer
    assert len(cluster.asked) == asked + 2
    cluster.may("bob", SECRETS, *bindings)
    assert len(cluster.asked) == asked + 2


def test_a_right_of_one_person_s_is_nobody_else_s(cluster: _Cluster) -> None:
    cluster.to("User", "bob")
    asked = _settle(cluster)
    assert not cluster.may("eve", PODS).allowed
    assert len(cluster.asked) == asked
    cluster.may("bob", PODS)
    assert len(cluster.asked) == asked + 1


@pytest.mark.parametrize("of_the_cluster", [True, False])
def test_a_role_that_may_not_be_read_proves_nothing(
    cluster: _Cluster, of_the_cluster: bool
) -> None:
    if of_the_cluster:
        cluster.to("User", "bob", "caché")
    asked = _settle(cluster)
    cluster.may("bob", PODS, *([] if of_the_cluster else [_binding("bob", "caché")]))
    assert len(cluster.asked) == asked + 1


@pytest.mark.parametrize(("user", "groups"), [("system:node:n", ()), ("bob", ("system:masters",))])
def test_names_of_kubernetes_own_are_asked_about(
    cluster: _Cluster, user: str, groups: tuple[str, ...]
) -> None:
    _settle(cluster)
    for _ in range(2):
        asked = len(cluster.asked)
        cluster.may(user, PODS, groups=groups)
        assert len(cluster.asked) == asked + 1


@pytest.mark.parametrize("by", ["by a webhook", "", "RBAC: allowed by ClusterRoleBinding …"])
def test_once_something_else_allows_everything_is_asked(cluster: _Cluster, by: str) -> None:
    cluster.may("bob", PODS)
    cluster.answer = Access(True, by)
    assert cluster.may("bob", SECRETS).allowed
    cluster.answer = Access(False)
    for _ in range(2):
        asked = len(cluster.asked)
        cluster.may("bob", PODS)
        assert len(cluster.asked) == asked + 1


def test_what_is_allowed_is_no_witness_of_what_is_not(cluster: _Cluster) -> None:
    cluster.to("User", "bob")
    cluster.answer = Access(True, "RBAC: allowed by ClusterRoleBinding …")
    cluster.may("bob", PODS)
    cluster.answer = Access(False)
    cluster.may("eve", PODS)
    cluster.may("eve", SECRETS)
    asked = len(cluster.asked)
    cluster.may("bob", SECRETS)  # of whom no was never heard
    assert len(cluster.asked) == asked + 1


def test_a_yes_of_something_else_is_heard_whatever_bindings_allow(cluster: _Cluster) -> None:
    _settle(cluster)
    cluster.answer = Access(True, "by a webhook")
    cluster.may("bob", PODS, _binding("bob"))
    asked = len(cluster.asked)
    cluster.may("eve", PODS)
    assert len(cluster.asked) == asked + 1


def test_what_was_just_given_in_the_namespace_is_no_other_authorizer_s(cluster: _Cluster) -> None:
    cluster.answer = Access(True, 'RBAC: allowed by RoleBinding "b/user-a" of Role "r" to User "x"')
    cluster.may("bob", PODS)
    cluster.answer = Access(False)
    asked = _settle(cluster)
    assert not cluster.may("bob", PODS).allowed
    assert len(cluster.asked) == asked


def test_where_the_bindings_are_not_listed_a_no_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = _Cluster(monkeypatch, listed=False)
    for at in ("user-a", "user-b", "user-c"):
        cluster.may("bob", PODS, at=at)
    assert len(cluster.asked) == 1
    cluster.may("eve", PODS)
    assert len(cluster.asked) == 2
    cluster.answer = Access(True, "RBAC: allowed by RoleBinding …")
    assert cluster.may("bob", PODS, _binding("bob"), at="user-b").allowed
    assert cluster.may("bob", SECRETS, at="user-b").allowed  # since given there
    cluster.answer = Access(False)
    assert not cluster.may("bob", SECRETS, at="user-c").allowed


def test_without_the_bindings_of_the_namespace_all_is_asked(cluster: _Cluster) -> None:
    question = Question("bob", EVERYBODY, PODS)
    for count in (1, 2):
        cluster.rights.may(question, "user-a", None)
        assert len(cluster.asked) == count
