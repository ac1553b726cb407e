"""The local cluster enforces NetworkPolicy: real connections, allowed and denied, from two
namespaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from checks.access.kubernetes_api import Api
from checks.stage import Person

pytestmark = pytest.mark.cluster

SETTLES = 8.0  # seconds; the network follows within one on an idle machine
BOX = {"name": "box", "image": "alpine/socat:1.7.4.4"}
SAME, OTHER = "same", "other"
HERE: list[dict[str, Any]] = [{"podSelector": {}}]


@dataclass(frozen=True)
class Town:
    """A server (port 7000, named "echo") and a client in one namespace, a client in another."""

    admin: Api
    namespace: str
    other: str
    address: str

    def reaches(self, who: str) -> bool:
        namespace = self.namespace if who == SAME else self.other
        command = ["sh", "-c", f"echo bonjour | nc -w 2 {self.address} 7000 || true"]
        return "bonjour" in self.admin.execute(namespace, "client", command)

    def who_reaches(self) -> set[str]:
        with ThreadPoolExecutor() as pool:
            answers = pool.map(self.reaches, (SAME, OTHER))
        return {who for who, answer in zip((SAME, OTHER), answers, strict=True) if answer}


def pod(name: str, *args: str) -> dict[str, Any]:
    container = {**BOX, "args": list(args), "ports": [{"name": "echo", "containerPort": 7000}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"role": name}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def wait_ready(admin: Api, namespace: str, name: str) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        status = admin.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")["status"]
        if any(
            item["type"] == "Ready" and item["status"] == "True"
            for item in status.get("conditions") or []
        ):
            return str(status["podIP"])
        time.sleep(0.2)
    raise AssertionError(f"{namespace}/{name} is not ready")


@pytest.fixture(scope="module")
def town(admin: Api, new_resident: Callable[..., Person]) -> Town:
    namespace, other = new_resident("n").namespace, new_resident("n").namespace
    sleep = ("TCP-LISTEN:7999,fork", "PIPE")
    for where, what in (
        (namespace, pod("server", "TCP-LISTEN:7000,fork,reuseaddr", "EXEC:cat")),
        (namespace, pod("client", *sleep)),
        (other, pod("client", *sleep)),
    ):
        admin.request("POST", f"/api/v1/namespaces/{where}/pods", what)
    address = wait_ready(admin, namespace, "server")
    wait_ready(admin, namespace, "client")
    wait_ready(admin, other, "client")
    return Town(admin, namespace, other, address)


@pytest.fixture
def policy(town: Town) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    made: list[tuple[str, str]] = []

    def apply(namespace: str, spec: dict[str, Any]) -> None:
        name = f"essai-{len(made)}"
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        body = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name},
        }
        town.admin.request("POST", path, {**body, "spec": spec})
        made.append((path, name))

    yield apply
    for path, name in made:
        town.admin.request("DELETE", f"{path}/{name}")
    settles(town, {SAME, OTHER})


def settles(town: Town, expected: set[str]) -> None:
    deadline = time.monotonic() + SETTLES
    seen = town.who_reaches()
    while seen != expected and time.monotonic() < deadline:
        seen = town.who_reaches()
    assert seen == expected


def test_without_policy_everybody_connects(town: Town) -> None:
    settles(town, {SAME, OTHER})


OTHERS = {"namespaceSelector": {"matchLabels": {"quartier": "autre"}}}
INGRESS: dict[str, tuple[list[dict[str, Any]] | None, set[str]]] = {
    "nobody": ([], set()),
    "everybody": ([{}], {SAME, OTHER}),
    "same namespace": ([{"from": HERE}], {SAME}),
    "other by namespace label": ([{"from": [OTHERS]}], {OTHER}),
    "both selectors are AND": (
        [{"from": [{**OTHERS, "podSelector": {"matchLabels": {"role": "x"}}}]}],
        set(),
    ),
    "two peers are OR": (
        [{"from": [OTHERS, {"podSelector": {}}]}],
        {SAME, OTHER},
    ),
    "right port": ([{"from": HERE, "ports": [{"port": 7000}]}], {SAME}),
    "wrong port": ([{"from": HERE, "ports": [{"port": 7001}]}], set()),
    "named port": ([{"ports": [{"port": "echo"}]}], {SAME, OTHER}),
    "port range": ([{"ports": [{"port": 6990, "endPort": 7010}]}], {SAME, OTHER}),
    "range beside": ([{"ports": [{"port": 6990, "endPort": 6999}]}], set()),
    "wrong protocol": ([{"ports": [{"port": 7000, "protocol": "UDP"}]}], set()),
    "every address": ([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], {SAME, OTHER}),
    "except all pods": (
        [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}],
        set(),
    ),
}


@pytest.mark.parametrize("name", INGRESS)
def test_ingress(name: str, town: Town, policy: Callable[[str, dict[str, Any]], None]) -> None:
    rules, expected = INGRESS[name]
    town.admin.request(
        "PATCH",
        f"/api/v1/namespaces/{town.other}",
        {"metadata": {"labels": {"quartier": "autre"}}},
        content_type="application/merge-patch+json",
    )
    policy(town.namespace, {"podSelector": {"matchLabels": {"role": "server"}}, "ingress": rules})
    settles(town, expected)


def test_policies_add_up(town: Town, policy: Callable[[str, dict[str, Any]], None]) -> None:
    policy(town.namespace, {"podSelector": {}, "policyTypes": ["Ingress"]})
    settles(town, set())
    policy(
        town.namespace,
        {"podSelector": {"matchLabels": {"role": "server"}}, "ingress": [{"from": HERE}]},
    )
    settles(town, {SAME})


def test_egress(town: Town, policy: Callable[[str, dict[str, Any]], None]) -> None:
    policy(town.other, {"podSelector": {}, "policyTypes": ["Egress"]})
    settles(town, {SAME})
    policy(
        town.other,
        {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": f"{town.address}/32"}}]}]},
    )
    settles(town, {SAME, OTHER})


def test_a_policy_that_selects_nothing_closes_nothing(
    town: Town, policy: Callable[[str, dict[str, Any]], None]
) -> None:
    policy(
        town.namespace,
        {"podSelector": {"matchLabels": {"cnpg.io/cluster": "postgresql-cnpg"}}, "ingress": []},
    )
    time.sleep(1.5)
    assert town.who_reaches() == {SAME, OTHER}


def test_a_port_forward_ignores_policies(
    town: Town, policy: Callable[[str, dict[str, Any]], None]
) -> None:
    policy(town.namespace, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    settles(town, set())
    with town.admin.forward(town.namespace, "server", 7000) as connection:
        connection.sendall(b"bonjour\n")
        assert connection.recv(64) == b"bonjour\n"
