"""What a rule gives in a namespace, which sentence it breaks, and how it is told: without a
cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.diagnosis.rights import leaks, rbac
from checks.diagnosis.rights.excess import Excess, kind_of, obtaining
from checks.diagnosis.rights.holdings import requests
from checks.diagnosis.rights.people import Person
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.wording import TELLING, leads_to, reaches_secrets, said
from checks.facts import Access
from checks.objects.rights import Rule

NAMES = st.sampled_from(["base-1", "mon-api", "autre"])
GROUPS = st.sampled_from(["", "apps", "batch", "exemple.org", "*"])
VERBS = st.sampled_from(
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "*"]
)
RESOURCES = st.sampled_from(
    [
        "pods",
        "pods/exec",
        "pods/portforward",
        "secrets",
        "jobs",
        "deployments",
        "lampes",
        "lampes/etat",
        "*",
        "*/log",
    ]
)
REAL = [
    *TELLING,
    *(
        Request(verb, "exemple.org", "lampes", sub)
        for verb in ("get", "patch", "allumer")
        for sub in ("", "etat")
    ),
]


def some(words: st.SearchStrategy[str], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(words, min_size=least, max_size=2, unique=True).map(tuple)


RULES = st.builds(Rule, some(GROUPS), some(RESOURCES), some(VERBS), some(NAMES, 0))


@settings(max_examples=200, deadline=None)
@given(RULES)
def test_nothing_is_read_in_a_rule_that_it_does_not_give(rule: Rule) -> None:
    assert all(rbac.covers(rule, request) for request in requests(rule))


@settings(max_examples=200, deadline=None)
@given(RULES, st.sampled_from(REAL), NAMES)
def test_every_right_of_a_rule_is_read_in_it_or_another_of_its_kind(
    rule: Rule, right: Request, name: str
) -> None:
    nameless = right.verb in ("create", "deletecollection") and not right.subresource
    asked = Request(
        right.verb, right.group, right.resource, right.subresource, "" if nameless else name
    )
    if rbac.covers(rule, asked):
        found = list(requests(rule))
        assert any(kind_of(one) is kind_of(asked) for one in found)
        assert not reaches_secrets(asked) or any(reaches_secrets(one) for one in found)


def read(*rule: object) -> set[Request]:
    return set(requests(Rule(*rule)))  # type: ignore[arg-type]


def test_what_a_rule_cannot_give_is_left_out() -> None:
    assert read(("",), ("pods/*",), ("*",)) == set()
    assert read(("",), ("pods",), ("create",), ("base-1",)) == set()
    assert read(("",), ("pods/portforward",), ("delete",)) == set()
    assert read(("apps",), ("pods",), ("get",)) == set()
    assert set(requests(Rule(verbs=("get",), non_resource_urls=("/metrics",)))) == set()
    assert read(("", "apps"), ("pods",), ("get",)) == {Request("get", "", "pods")}


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        (Request("create", "batch", "jobs"), Excess.CHANGE, "créer des Jobs chez vous"),
        (
            Request("patch", "apps", "deployments", name="site"),
            Excess.CHANGE,
            "modifier le Deployment site",
        ),
        (
            Request("update", "apps", "deployments", "scale"),
            Excess.CHANGE,
            "changer le nombre de pods de n’importe",
        ),
        (
            Request("create", "", "serviceaccounts", "token"),
            Excess.CHANGE,
            "fabriquer un jeton pour n’importe lequel",
        ),
        (
            Request("delete", "networking.k8s.io", "networkpolicies"),
            Excess.CHANGE,
            "n’importe laquelle de vos Net",
        ),
        (Request("create", "", "events"), Excess.CHANGE, "créer des événements chez vous"),
        (
            Request("impersonate", "", "serviceaccounts", name="x"),
            Excess.OTHER,
            "se faire passer pour le compte de serv",
        ),
        (
            Request("get", "", "services", "proxy", "base-rw"),
            Excess.OTHER,
            "parler par l’API au Service base-rw",
        ),
        (Request("list", "", "configmaps"), Excess.OTHER, "lister toutes vos ConfigMaps"),
        (
            Request("allumer", "exemple.org", "lampes"),
            Excess.OTHER,
            "faire « allumer » sur la ressource « lampes », gr",
        ),
        (Request("get", "", "*"), Excess.OTHER, "faire « get » sur n’importe quelle ressource"),
        (Request("list", "", "secrets"), Excess.SECRET, "lire tous vos Secrets"),
        (Request("watch", "", "secrets", name="base"), Excess.SECRET, "suivre le Secret base"),
        (
            Request("patch", "", "secrets"),
            Excess.CHANGE,
            "modifier n’importe lequel de vos Secrets",
        ),
        (
            Request("patch", "", "pods", "ephemeralcontainers", "base-1"),
            Excess.INSIDE,
            "ajouter un conteneur au pod b",
        ),
        (
            Request("get", "", "pods", "log", "base-1"),
            Excess.INSIDE,
            "lire le journal du pod base-1",
        ),
    ],
)
def test_a_right_is_of_one_kind_and_has_its_words(
    request_: Request, kind: Excess, words: str
) -> None:
    assert kind_of(request_) is kind
    assert words in said(request_)


def test_what_leads_to_secrets_is_told() -> None:
    for right in (
        Request("create", "", "pods"),
        Request("update", "batch", "cronjobs"),
        Request("create", "", "serviceaccounts", "token"),
    ):
        assert reaches_secrets(right)
        assert leads_to(right)
    assert not reaches_secrets(Request("delete", "batch", "jobs"))
    assert leads_to(Request("allumer", "exemple.org", "lampes"))


def test_a_right_on_anything_is_one_on_what_is_denied() -> None:
    concern = obtaining(["base"])
    assert list(concern.broken_by(Request("get", "", "secrets"))) == [
        Request("get", "", "secrets", name="base"),
        Request("get", "", "secrets"),
    ]
    assert list(concern.broken_by(Request("get", "", "secrets", name="other"))) == []
    assert list(concern.broken_by(Request("list", "", "secrets", name="base")))[-1].verb == "list"
    created = Request("create", "batch", "jobs")
    assert list(concern.broken_by(created)) == [created]
    assert "Secrets" in concern.effect(created)


def answered(monkeypatch: pytest.MonkeyPatch, slow: Callable[[Request], bool]) -> set[int]:
    """The threads by which ten questions were answered, each right; `slow` ones were asked of a
    server."""
    threads = set()

    def may(_cluster: object, _person: Person, request: Request) -> Access:
        threads.add(threading.get_ident())
        if slow(request):
            time.sleep(0.02)
        return Access(request.name in ("2", "7"))

    monkeypatch.setattr(leaks, "may", may)
    asked = [Request("get", "", "pods", name=str(number)) for number in range(10)]
    # the cluster and the person are `may`'s alone
    found = leaks._answers(None, None, asked)  # type: ignore[arg-type]
    assert [request for request, _ in found] == asked
    assert {request.name for request, access in found if access.allowed} == {"2", "7"}
    return threads


def test_what_is_reasoned_is_handed_over_to_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "_REASONED", 60.0)
    assert answered(monkeypatch, lambda request: False) == {threading.get_ident()}


def test_what_a_server_is_asked_is_asked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(answered(monkeypatch, lambda request: True)) > 2
    late = answered(monkeypatch, lambda request: int(request.name) >= 5)
    assert threading.get_ident() in late
    assert len(late) > 2
