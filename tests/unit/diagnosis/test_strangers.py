"""Who the policies admit besides those who may come, told from what is allowed: all of it, and what
is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from checks.diagnosis.policies.allowed import Circle, administrators
from checks.diagnosis.policies.decision import NAMESPACE_NAME, Peer, decide
from checks.diagnosis.policies.explanations import how
from checks.diagnosis.policies.other_enforcers import require_only_network_policies
from checks.diagnosis.policies.strangers import Leak, Reading
from checks.errors import Refused, Unverifiable
from checks.facts import Access, Pod, PolicyKind
from checks.objects.parts import Metadata
from checks.objects.parts import read as read_as
from checks.objects.pods import PodObject, PodSpec, PodStatus
from checks.objects.policies import IngressRule, NetworkPolicy
from checks.sources.live_cluster import LiveCluster
from labs.tp8_equipe import ways_tried
from labs.tp8_equipe.ways_in import Door

PORT = 5432
BASE = Pod(
    name="base-1",
    namespace="user-nora",
    uid="",
    labels={"app": "base"},
    phase="Running",
    ready=True,
    deleting=False,
    ip="10.1.0.7",
    containers=(),
    created=datetime.now(UTC),
)
CIRCLE = Circle(
    frozenset({"user-nora", "user-karim"}), lambda name: not name.startswith(("user-", "projet-"))
)
OPERATOR = {"app.kubernetes.io/name": "cloudnative-pg"}


def named(*names: str, **more: Any) -> dict[str, Any]:
    expressions = [
        {"key": NAMESPACE_NAME, "operator": "In", "values": list(names)},
        *more.pop("and_", ()),
    ]
    return {"namespaceSelector": {"matchExpressions": expressions, **more}}


def where(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def block(cidr: str, *holes: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, "except": list(holes)}}


def policy(
    *entries: dict[str, Any],
    name: str = "regle",
    ports: Sequence[dict[str, Any]] = (),
    pods: dict[str, Any] | None = None,
) -> NetworkPolicy:
    rule = {"from": list(entries), "ports": list(ports)}
    spec = {"podSelector": pods or {}, "ingress": [rule]}
    return read_as({"metadata": {"name": name}, "spec": spec}, NetworkPolicy)


def read(*policies: NetworkPolicy, circle: Circle = CIRCLE, pod: Pod = BASE) -> Reading:
    return Reading(policies, pod, PORT, circle)


def told(leaks: Sequence[Leak]) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(leak.kind, leak.what, leak.sure) for leak in leaks]


def by_name(name: str, pods: Mapping[str, str] | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}}
    return {**entry, "podSelector": {"matchLabels": dict(pods)}} if pods else entry


# -- namespaces ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"podSelector": {}}, []),
        (by_name("user-karim"), []),
        (named("user-karim", "user-nora"), []),
        (
            named("user-karim", "user-zoe", "projet-x"),
            [("namespaces", ("projet-x", "user-zoe"), True)],
        ),
        (by_name("user-zoe", {"app": "anything"}), [("namespaces", ("user-zoe",), True)]),
        ({"namespaceSelector": {}}, [("everybody", (), True)]),
        (
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}},
            [("everybody", (), True)],
        ),
        (
            {"namespaceSelector": {"matchLabels": {"team": "data"}}},
            [("labels", ("team=data",), False)],
        ),
        (
            {"namespaceSelector": {"matchExpressions": [where("env", "NotIn", "prod")]}},
            [("labels", ("env notin (prod)",), False)],
        ),
        (
            {
                "namespaceSelector": {
                    "matchExpressions": [where(NAMESPACE_NAME, "NotIn", "user-zoe")]
                }
            },
            [("labels", (f"{NAMESPACE_NAME} notin (user-zoe)",), True)],
        ),
        # what is asked besides the name of those who may come changes nothing for the others
        (named("user-karim", and_=[where("env", "NotIn", "prod")]), []),
        (
            named("user-zoe", and_=[where("env", "NotIn", "prod")]),
            [("namespaces", ("user-zoe",), False)],
        ),
        # the platform's own label names the owner
        ({"namespaceSelector": {"matchLabels": {"onyxia_owner": "karim"}}}, []),
        (
            {"namespaceSelector": {"matchLabels": {"onyxia_owner": "zoe"}}},
            [("labels", ("onyxia_owner=zoe",), True)],
        ),
        (named("user-zoe", matchLabels={"onyxia_owner": "karim"}), []),
        # what nothing can satisfy admits nobody
        (named("user-zoe", matchLabels={NAMESPACE_NAME: "user-karim"}), []),
        (
            {
                "namespaceSelector": {
                    "matchExpressions": [where("a", "Exists"), where("a", "DoesNotExist")]
                }
            },
            [],
        ),
        (
            {
                "namespaceSelector": {},
                "podSelector": {
                    "matchLabels": {"a": "b"},
                    "matchExpressions": [where("a", "NotIn", "b")],
                },
            },
            [],
        ),
    ],
)
def test_what_an_element_admits(entry: dict[str, Any], found: list[Any]) -> None:
    assert told(read(policy(entry)).leaks()) == found


def test_a_rule_of_other_ports_opens_nothing_and_one_without_from_opens_to_all() -> None:
    assert not read(policy({"namespaceSelector": {}}, ports=[{"port": 9187}])).leaks()
    assert not read(policy(ports=[{"port": PORT, "protocol": "UDP"}])).leaks()
    assert told(read(policy(ports=[{"port": 5000, "endPort": 6000}])).leaks()) == [
        ("anywhere", (), True)
    ]


def test_a_policy_of_other_pods_is_not_read() -> None:
    elsewhere = policy({"namespaceSelector": {}}, pods={"matchLabels": {"app": "api"}})
    assert not read(elsewhere).leaks()


def test_all_that_opens_is_named() -> None:
    leaks = read(
        policy(by_name("user-zoe"), by_name("user-karim"), by_name("user-ana"), name="a"),
        policy({"namespaceSelector": {"matchLabels": {"team": "x"}}}, name="b"),
        policy(name="c"),
    ).leaks()
    assert [(leak.policy, leak.kind) for leak in leaks] == [
        ("a", "namespaces"),
        ("c", "anywhere"),
        ("b", "labels"),
    ]
    assert "« user-zoe » et « user-ana »" in how(leaks[0])


# -- administrators --------------------------------------------------------------------------------


def test_a_program_of_the_administrators_is_no_stranger_and_their_whole_namespace_is() -> None:
    operator = by_name("cnpg-system", OPERATOR)
    assert not read(policy(operator)).leaks()
    assert read(policy(operator)).programs() == ["cnpg-system"]
    for pods in (
        {},
        {"matchExpressions": [where("app", "Exists")]},
        {"matchExpressions": [where("a", "NotIn", "b")]},
    ):
        wide = policy({**named("kube-system", "cnpg-system"), "podSelector": pods})
        assert told(read(wide).leaks()) == [
            ("administrators", ("cnpg-system", "kube-system"), True)
        ]


def test_what_is_kept_of_a_policy_lets_the_operator_in_and_nobody_else() -> None:
    wide = policy(
        named("user-karim", "user-zoe", "kube-system", "cnpg-system"), {"namespaceSelector": {}}
    )
    metrics = read_as({"from": [by_name("supervision")], "ports": [{"port": 9187}]}, IngressRule)
    wide = wide.with_rules([*wide.spec.ingress, metrics])
    reading = read(wide)
    mended = wide.with_rules(reading.kept(wide))
    assert not read(mended).leaks()
    assert metrics in mended.spec.ingress
    assert reading.serves_others(wide)
    for peer, allowed in (
        (Peer("cnpg-system", OPERATOR), True),
        (Peer("kube-system", {"k8s-app": "kube-dns"}), False),
        (Peer("user-karim"), True),
        (Peer("user-zoe", OPERATOR), False),
    ):
        assert decide([mended], BASE, peer, PORT).allowed is allowed
    assert not read(policy(by_name("user-karim"), by_name("user-zoe"))).serves_others(
        policy(by_name("user-karim"))
    )


def test_who_the_administrators_are() -> None:
    asked: list[str] = []

    def may(verb: str, resource: str, *, namespace: str) -> Access:
        asked.append(namespace)
        return Access(namespace == "bac-a-sable")

    def place(own: str) -> Any:
        return SimpleNamespace(namespace=own, may=may, outsiders=lambda: ["invite"])

    told_apart = administrators(place("user-nora"), ["user-karim"])
    names = (
        "cnpg-system",
        "kube-system",
        "bac-a-sable",
        "user-zoe",
        "projet-x",
        "user-karim",
        "invite",
    )
    assert [name for name in names if told_apart(name)] == ["cnpg-system", "kube-system"]
    assert asked == ["cnpg-system", "kube-system", "bac-a-sable"], (
        "the others are told by their name"
    )
    assert not administrators(place("labo-nora"), ["labo-karim"])("labo-zoe"), "named as we are"


# -- addresses -------------------------------------------------------------------------------------

TRIED = replace(CIRCLE, addresses=["10.1.0.7", "10.1.0.9"], tried=Peer("user-zoe", ip="10.1.0.9"))
ENTERED = replace(TRIED, entered=True)
HALVES = ("0.0.0.0/1", "128.0.0.0/1")
BOTH = read_as({"podIPs": [{"ip": "10.1.0.7"}, {"ip": "fd00::7"}]}, PodStatus)
WITH_SIX = replace(BASE, given=PodObject(Metadata("base-1"), PodSpec(()), BOTH))


@pytest.mark.parametrize(
    ("blocks", "circle", "pod", "found"),
    [
        ([block("::/0")], CIRCLE, BASE, []),
        ([block("::/0")], CIRCLE, WITH_SIX, [("addresses", ("::/0",), False)]),
        ([block("::/0")], CIRCLE, replace(BASE, ip=""), [("addresses", ("::/0",), False)]),
        ([block("0.0.0.0/0")], CIRCLE, BASE, [("addresses", ("0.0.0.0/0",), False)]),
        ([block("10.1.0.7/32")], replace(CIRCLE, addresses=["10.1.0.7"]), BASE, []),
        # two halves are a whole, whatever the policies that they are in
        (
            [block("0.0.0.0/1"), block("128.0.0.0/1")],
            CIRCLE,
            BASE,
            [("addresses", ("0.0.0.0/1", "128.0.0.0/1"), False)],
        ),
        (
            [block("0.0.0.0/1"), block("128.0.0.0/1")],
            ENTERED,
            BASE,
            [("addresses", ("0.0.0.0/1", "128.0.0.0/1"), True)],
        ),
        (
            [block("10.0.0.0/8"), block("192.0.2.10/32")],
            ENTERED,
            BASE,
            [("addresses", ("10.0.0.0/8",), True)],
        ),
        # what the connection showed wins
        ([block("0.0.0.0/0")], TRIED, BASE, []),
        ([block("192.0.2.0/24")], TRIED, BASE, []),
        ([block("0.0.0.0/0", "10.0.0.0/8")], TRIED, BASE, []),
        # the pods of others may have an address of it, although the one that was tried had not
        ([block("10.1.0.0/29")], TRIED, BASE, [("addresses", ("10.1.0.0/29",), False)]),
        ([block("0.0.0.0/0", "10.1.0.9/32")], TRIED, BASE, [("addresses", ("0.0.0.0/0",), False)]),
    ],
)
def test_what_blocks_admit(
    blocks: list[dict[str, Any]], circle: Circle, pod: Pod, found: list[Any]
) -> None:
    assert told(read(policy(*blocks), circle=circle, pod=pod).leaks()) == found


def test_halves_in_two_policies_are_told_with_their_whole() -> None:
    halves = [policy(block(half), name=name) for half, name in zip(HALVES, "ab", strict=True)]
    assert [
        (leak.policy, leak.sure, leak.whole) for leak in read(*halves, circle=ENTERED).leaks()
    ] == [
        ("a", True, "0.0.0.0/0"),
        ("b", True, "0.0.0.0/0"),
    ]


# -- what a connection showed ----------------------------------------------------------------------


def test_who_came_in_was_let_in_by_what_takes_them() -> None:
    unknown = policy(
        {"namespaceSelector": {"matchExpressions": [where("env", "NotIn", "prod")]}}, name="a"
    )
    wide = policy({"namespaceSelector": {}}, name="b")
    assert [leak.sure for leak in read(unknown, circle=TRIED).leaks()] == [False], (
        "one namespace is not all of them"
    )
    assert [leak.sure for leak in read(unknown, circle=ENTERED).leaks()] == [True]
    assert [(leak.policy, leak.sure) for leak in read(unknown, wide, circle=ENTERED).leaks()] == [
        ("b", True),
        ("a", False),
    ]


def test_a_connection_that_stays_out_contradicts_only_what_takes_it() -> None:
    wide: dict[str, Any] = {"namespaceSelector": {}}
    labelled = {**wide, "podSelector": {"matchLabels": {"a": "b"}}}
    assert read(policy(wide), circle=TRIED).contradicted()
    assert not read(policy(labelled), circle=TRIED).contradicted()
    assert not read(policy(by_name("user-ana")), circle=TRIED).contradicted()
    assert not read(policy(wide), circle=ENTERED).contradicted()


# -- other kinds of policy -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([], ""),
        ([PolicyKind("CiliumNetworkPolicy", ())], ""),
        ([PolicyKind("CiliumNetworkPolicy", ("porte",))], "« porte »"),
        (
            [PolicyKind("NetworkPolicy", ()), PolicyKind("GlobalNetworkPolicy", None)],
            "ne permettent pas de lire",
        ),
    ],
)
def test_another_enforcer_may_decide_otherwise(kinds: list[PolicyKind], said: str) -> None:
    cluster: Any = SimpleNamespace(
        other_policies=lambda: iter(kinds), once=lambda ask: ask(cluster)
    )
    if not said:
        require_only_network_policies(cluster, "n’admettent personne")
        return
    with pytest.raises(Unverifiable) as raised:
        require_only_network_policies(cluster, "n’admettent personne")
    assert said in raised.value.message
    assert kinds[-1].kind in raised.value.message


@pytest.mark.parametrize("kinds", [[], [PolicyKind("GlobalNetworkPolicy", None)]])
def test_a_shared_base_where_nobody_else_can_try(
    kinds: list[PolicyKind], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster: Any = SimpleNamespace(
        enforces_policies=True, other_policies=lambda: iter(kinds), once=lambda ask: ask(cluster)
    )
    monkeypatch.setattr(ways_tried, "survey", lambda _: ways_tried.Survey({}, {}, {}, ""))
    said: list[str] = []
    for entry in (
        by_name("user-karim"),
        by_name("kube-system"),
        {"namespaceSelector": {"matchLabels": {"a": "b"}}},
    ):
        monkeypatch.setattr(ways_tried, "reading", lambda *_, entry=entry: read(policy(entry)))
        try:
            found = ways_tried.opened_to(cluster, Door(BASE, PORT))
            said.append(found.leaks[0].kind if found else "closed")
        except Unverifiable:
            said.append("unverified")
    assert said == (["unverified"] * 3 if kinds else ["closed", "administrators", "unverified"])


def test_the_kinds_that_a_server_knows() -> None:
    def kind(name: str, scope: str) -> dict[str, Any]:
        return {
            "resource": name.lower() + "s",
            "responseKind": {"kind": name},
            "scope": scope,
            "verbs": ["list"],
        }

    def group(name: str, *kinds: dict[str, Any]) -> dict[str, Any]:
        return {
            "metadata": {"name": name},
            "versions": [{"version": "v2", "resources": list(kinds)}, {"version": "v1"}],
        }

    answer = {
        "kind": "APIGroupDiscoveryList",
        "items": [
            group("networking.k8s.io", kind("NetworkPolicy", "Namespaced")),
            group(
                "cilium.io",
                kind("CiliumNode", "Cluster"),
                kind("CiliumNetworkPolicy", "Namespaced"),
            ),
            group("policy.networking.k8s.io", kind("AdminNetworkPolicy", "Cluster")),
        ],
    }
    asked: list[str] = []

    def request(method: str, path: str, **options: object) -> dict[str, Any]:
        asked.append(path)
        if path.endswith("adminnetworkpolicys"):
            raise Refused("interdit", "", 403)
        empty = {"kind": "APIGroupDiscoveryList", "items": [], "metadata": {}}
        return answer if path == "/apis" else empty

    cluster = LiveCluster.__new__(LiveCluster)
    cluster.api, cluster.namespace = (
        cast(Any, SimpleNamespace(request=request, server="")),
        "user-nora",
    )
    assert list(cluster.other_policies()) == [
        PolicyKind("CiliumNetworkPolicy", ()),
        PolicyKind("AdminNetworkPolicy", None),
    ]
    assert asked == [
        "/api",
        "/apis",
        "/apis/cilium.io/v2/namespaces/user-nora/ciliumnetworkpolicys",
        "/apis/policy.networking.k8s.io/v2/adminnetworkpolicys",
    ]
