"""What the checks say of random NetworkPolicies is what real connections do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.access.kubernetes_api import Api
from checks.diagnosis.policies.decision import NAMESPACE_NAME, Peer, decide
from checks.facts import Pod
from checks.objects.parts import read
from checks.objects.policies import Direction, NetworkPolicy
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

EXAMPLES = int(os.environ.get("CAHIER_EXEMPLES", "20"))
SETTLES = 8.0  # seconds; the network follows within one on an idle machine
PORTS = (7000, 7001)  # the first one is named "echo"
OWN, OTHER = "own", "other"
Policy = dict[str, Any]


@dataclass(frozen=True)
class Village:
    """Pods in two namespaces: each listens on both ports and tries the ports of all those of the
    first one."""

    admin: Api
    namespaces: Mapping[str, str]
    labels: Mapping[str, Mapping[str, str]]
    """Labels of each namespace, by its real name."""
    pods: Mapping[str, Sequence[Pod]]

    def everybody(self) -> Sequence[Pod]:
        return [pod for home in (OWN, OTHER) for pod in self.pods[home]]

    def reached(self) -> set[tuple[str, str, int]]:
        """Client, server, port of every real connection that opens. All are tried at once."""
        with ThreadPoolExecutor() as pool:
            answers = pool.map(self._tries, self.everybody())
        return {way for answer in answers for way in answer}

    def _tries(self, client: Pod) -> set[tuple[str, str, int]]:
        ways = [
            (server, port)
            for server in self.pods[OWN]
            if server.name != client.name
            for port in PORTS
        ]
        script = "".join(
            f"(socat -u /dev/null TCP:{server.ip}:{port},connect-timeout=1 2>/dev/null && echo "
            f"{server.name} {port}) & "
            for server, port in ways
        )
        said = self.admin.execute(
            client.namespace,
            client.name,
            ["sh", "-c", f"{script} wait"],
            seconds=20,
            container=f"p{PORTS[0]}",
        )
        return {
            (client.name, line.split()[0], int(line.split()[1]))
            for line in said.splitlines()
            if line
        }

    def expected(self, policies: Mapping[str, Sequence[Policy]]) -> set[tuple[str, str, int]]:
        """The same by the meaning of `policies`, given for each namespace."""
        found = set()
        for client in self.everybody():
            for server in self.pods[OWN]:
                for port in PORTS:
                    leaves = self._decides(policies, client, server, port, "Egress")
                    enters = self._decides(policies, server, client, port, "Ingress")
                    if server.name != client.name and leaves and enters:
                        found.add((client.name, server.name, port))
        return found

    def _decides(
        self,
        policies: Mapping[str, Sequence[Policy]],
        pod: Pod,
        other: Pod,
        port: int,
        direction: Direction,
    ) -> bool:
        peer = Peer(other.namespace, other.labels, self.labels[other.namespace], other.ip)
        own = [read(policy, NetworkPolicy) for policy in policies[pod.namespace]]
        decision = decide(own, pod, peer, port, direction=direction)
        assert decision.allowed is not None, "everything is known here"
        return decision.allowed

    def real(self, drawn: Mapping[str, Sequence[Policy]]) -> Mapping[str, Sequence[Policy]]:
        """The policies drawn, with the names and addresses of here, for each namespace."""
        text = json.dumps({self.namespaces[home]: policies for home, policies in drawn.items()})
        for home, name in self.namespaces.items():
            text = text.replace(f'"{home}"', f'"{name}"')
        for index, pod in enumerate(self.everybody()):
            text = text.replace(f"IP{index}/", f"{pod.ip}/")
        found: Mapping[str, Sequence[Policy]] = json.loads(text)
        return found

    def holding(self, policies: Mapping[str, Sequence[Policy]]) -> None:
        for namespace, wanted in policies.items():
            path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
            self.admin.request("DELETE", path)
            for policy in wanted:
                self.admin.request("POST", path, policy)


def _pod(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": f"p{port}",
                    "image": "alpine/socat:1.7.4.4",
                    "args": [f"TCP-LISTEN:{port},fork,reuseaddr", "PIPE"],
                    "ports": [
                        {"containerPort": port, **({"name": "echo"} if port == PORTS[0] else {})}
                    ],
                }
                for port in PORTS
            ],
        },
    }


@pytest.fixture(scope="module")
def village(admin: Api, new_resident: Callable[..., Person]) -> Callable[[], Village]:
    """As a function: hypothesis writes out the arguments of every example."""
    people = {home: new_resident("v") for home in (OWN, OTHER)}
    wanted = {
        OWN: [_pod("base", {"app": "base"}), _pod("api", {"app": "api", "rang": "deux"})],
        OTHER: [_pod("client-base", {"app": "base"}), _pod("client-api", {"app": "api"})],
    }
    for home, pods in wanted.items():
        for pod in pods:
            admin.request("POST", f"/api/v1/namespaces/{people[home].namespace}/pods", pod)
    settled = {home: _settled(person, len(wanted[home])) for home, person in people.items()}
    names = {home: person.namespace for home, person in people.items()}
    labels = {
        name: admin.request("GET", f"/api/v1/namespaces/{name}")["metadata"]["labels"]
        for name in names.values()
    }
    made = Village(admin, names, labels, settled)
    return lambda: made


def _settled(person: Person, count: int) -> Sequence[Pod]:
    cluster = LiveCluster(LocalMachine(), kubeconfig_path=str(person.kubeconfig))
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        pods = [pod for pod in cluster.pods() if pod.ready]
        if len(pods) == count:
            return pods
        time.sleep(0.3)
        cluster.refresh()
    raise AssertionError("the village is not ready")


def selectors() -> st.SearchStrategy[dict[str, Any]]:
    values = st.sampled_from(["base", "api", "absent"])
    operators = st.sampled_from(["In", "NotIn"])
    return st.one_of(
        st.just({}),
        values.map(lambda value: {"matchLabels": {"app": value}}),
        st.tuples(operators, st.lists(values, min_size=1, max_size=2, unique=True)).map(
            lambda found: {
                "matchExpressions": [{"key": "app", "operator": found[0], "values": found[1]}]
            }
        ),
        st.sampled_from(["Exists", "DoesNotExist"]).map(
            lambda operator: {"matchExpressions": [{"key": "rang", "operator": operator}]}
        ),
    )


def peers() -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from([OWN, OTHER, "user-personne"])
    namespaces: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        names.map(lambda name: {"matchLabels": {NAMESPACE_NAME: name}}),
        names.map(
            lambda name: {
                "matchExpressions": [{"key": NAMESPACE_NAME, "operator": "NotIn", "values": [name]}]
            }
        ),
    )
    addresses = st.sampled_from(["IP0", "IP1", "IP2", "IP3"])
    return st.one_of(
        selectors().map(lambda pod: {"podSelector": pod}),
        namespaces.map(lambda namespace: {"namespaceSelector": namespace}),
        st.tuples(namespaces, selectors()).map(
            lambda both: {"namespaceSelector": both[0], "podSelector": both[1]}
        ),
        addresses.map(lambda ip: {"ipBlock": {"cidr": f"{ip}/32"}}),
        addresses.map(lambda ip: {"ipBlock": {"cidr": "10.0.0.0/8", "except": [f"{ip}/32"]}}),
    )


def ports(direction: Direction) -> st.SearchStrategy[dict[str, Any]]:
    possible: list[dict[str, Any]] = [
        {"port": 7000},
        {"port": 7001, "protocol": "TCP"},
        {"port": 6990, "endPort": 7000},
        {"port": 7000, "protocol": "UDP"},
        {"protocol": "TCP"},
    ]
    # out of a pod, a name is that of the other pod's port: no lab needs it
    if direction == "Ingress":
        possible += [{"port": "echo"}, {"port": "autre"}]
    return st.sampled_from(possible)


def rules(direction: Direction) -> st.SearchStrategy[dict[str, Any]]:
    side = {"Ingress": "from", "Egress": "to"}[direction]
    return st.fixed_dictionaries(
        {},
        optional={
            side: st.lists(peers(), max_size=2),
            "ports": st.lists(ports(direction), max_size=2),
        },
    )


def some_policies(home: str) -> st.SearchStrategy[list[Policy]]:
    def policy(direction: Direction) -> st.SearchStrategy[Policy]:
        key = direction.lower()
        return st.builds(
            lambda selector, some: {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "spec": {"podSelector": selector, "policyTypes": [direction], key: some},
            },
            selectors(),
            st.lists(rules(direction), max_size=2),
        )

    def named(found: list[Policy]) -> list[Policy]:
        return [{**one, "metadata": {"name": f"regle-{index}"}} for index, one in enumerate(found)]

    one = st.one_of(policy("Ingress"), policy("Egress")) if home == OWN else policy("Egress")
    return st.lists(one, min_size=int(home == OWN), max_size=3 if home == OWN else 1).map(named)


@settings(
    max_examples=EXAMPLES,
    deadline=None,  # each example waits for the network
    derandomize="CI" in os.environ,  # the same cases at each run there; new ones elsewhere
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(drawn=st.fixed_dictionaries({home: some_policies(home) for home in (OWN, OTHER)}))
def test_the_meaning_of_random_policies_is_what_connections_do(
    village: Callable[[], Village], drawn: Mapping[str, list[Policy]]
) -> None:
    here = village()
    policies = here.real(drawn)
    expected = here.expected(policies)
    here.holding(policies)
    deadline = time.monotonic() + SETTLES
    while (seen := here.reached()) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert seen == expected
