"""What the checks deduce from NetworkPolicies is what Kubernetes' own implementations do with them.

A seeded slice of every small set of policies; `make oracles` compares them all.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checks.diagnosis.policies.decision import decide
from checks.objects.parts import read
from checks.objects.policies import NetworkPolicy
from checks.sources.objects import pod_of
from tests.platform import oracles
from tests.support.small_policies import (
    CONNECTIONS,
    HALF_KNOWN,
    KNOWN,
    POD_OBJECTS,
    PODS,
    Catalogue,
    Meaning,
    Policy,
    meanings,
)

# their programs are compiled after the cluster's
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1800),
]

SLICE = 3000
FEW = 400  # enough for a wrong reading to show
IMPLEMENTATIONS = ("enforcer", "kube-network-policies")
Sets = Sequence[Sequence[int]]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture(scope="module")
def chosen(catalogue: Catalogue) -> Sets:
    """All sets, or some: the same ones at each run in CI, others elsewhere."""
    assert len(catalogue.sets) > 250_000
    count = len(catalogue.sets) if "CAHIER_EXHAUSTIF" in os.environ else SLICE
    return random.Random(0 if "CI" in os.environ else None).sample(catalogue.sets, count)


@pytest.fixture(scope="module")
def verdicts(
    oracle_programs: Path, catalogue: Catalogue, chosen: Sets
) -> Mapping[str, Sequence[str]]:
    """Of each implementation, for each set."""
    with ThreadPoolExecutor() as pool:
        asked = {
            name: pool.submit(oracles.answers, oracle_programs / name, catalogue.questions(chosen))
            for name in IMPLEMENTATIONS
        }
        return {name: answer.result() for name, answer in asked.items()}


def told(catalogue: Catalogue, one: Sequence[int], connections: int) -> str:
    """A set of policies and the connections in question, for whoever reads a failure."""
    ways = [
        f"{PODS[way.client].namespace}/{PODS[way.client].name} to "
        f"{PODS[way.server].namespace}/{PODS[way.server].name} {way.protocol} {way.port}"
        for index, way in enumerate(CONNECTIONS)
        if connections >> index & 1
    ]
    return f"{[catalogue.policies[index] for index in one]}: {ways}"


def disagreements(
    catalogue: Catalogue, sets: Sets, found: Sequence[Meaning], verdicts: Sequence[str]
) -> Sequence[str]:
    return [
        told(catalogue, one, wrong)
        for one, meaning, said in zip(sets, found, verdicts, strict=True)
        if (wrong := meaning.contradicts(said))
    ]


def names_a_port_to_leave_by(policy: Policy) -> bool:
    return any(
        isinstance(port.get("port"), str)
        for rule in policy["spec"].get("egress") or ()
        for port in rule.get("ports") or ()
    )


def test_small_policies_mean_what_both_implementations_do(
    catalogue: Catalogue, chosen: Sets, verdicts: Mapping[str, Sequence[str]]
) -> None:
    found = list(meanings(catalogue, chosen, KNOWN))
    for name in IMPLEMENTATIONS:
        assert not disagreements(catalogue, chosen, found, verdicts[name])[:3], name
    print(f"{len(chosen)} sets of policies, {len(CONNECTIONS)} connections of each")
    denied = sum(meaning.denied.bit_count() for meaning in found) / len(found) / len(CONNECTIONS)
    assert 0.1 < denied < 0.9, "one answer would do"
    for one, meaning in zip(chosen, found, strict=True):
        named = any(names_a_port_to_leave_by(catalogue.policies[index]) for index in one)
        assert named or not meaning.unknown, told(catalogue, one, meaning.unknown)


def test_where_labels_and_addresses_are_not_known_no_answer_is_wrong(
    catalogue: Catalogue, chosen: Sets, verdicts: Mapping[str, Sequence[str]]
) -> None:
    found = list(meanings(catalogue, chosen, HALF_KNOWN))
    assert not disagreements(catalogue, chosen, found, verdicts[IMPLEMENTATIONS[0]])[:3]
    decided = sum(len(CONNECTIONS) - meaning.unknown.bit_count() for meaning in found)
    assert decided > 0.5 * len(found) * len(CONNECTIONS), "to know nothing is never wrong"


@pytest.mark.parametrize(
    "field",
    [
        *(
            "podSelector",
            "namespaceSelector",
            "matchLabels",
            "matchExpressions",
            "values",
            "ipBlock",
            "except",
        ),
        *("ports", "port", "endPort", "protocol", "policyTypes", "ingress", "egress", "from", "to"),
    ],
)
def test_a_reading_that_overlooks_a_field_is_caught(
    field: str, catalogue: Catalogue, chosen: Sets, verdicts: Mapping[str, Sequence[str]]
) -> None:
    some = chosen[:FEW]

    def overlooks(policy: Policy) -> Policy:
        kept: Policy = oracles.without(policy, field)
        return kept

    found = list(meanings(catalogue, some, KNOWN, overlooks))
    for name in IMPLEMENTATIONS:
        assert disagreements(catalogue, some, found, verdicts[name][:FEW])


@pytest.mark.parametrize(
    "always", [{"restartPolicy": "Always"}, {}], ids=["sidecar", "init container"]
)
def test_a_sidecar_names_ports_of_its_pod(oracle_programs: Path, always: Mapping[str, str]) -> None:
    """Asked of the cluster's own enforcer alone: kube-network-policies does not know sidecars."""
    client = KNOWN[0]
    ports = [{"name": "metrics", "containerPort": 9000}]
    box = {"name": "box", "image": "box", "ports": ports, **always}
    item = {**POD_OBJECTS[1], "spec": {"containers": [], "initContainers": [box]}}
    pod = pod_of(item)
    spec = {"podSelector": {}, "ingress": [{"ports": [{"port": "metrics"}]}]}
    policy = {"metadata": {"name": "policy-0", "namespace": pod.namespace}, "spec": spec}
    connection = {"From": client.ip, "To": pod.ip, "Port": 9000, "Protocol": "TCP"}
    world = {"Pods": [item], "Namespaces": [], "Policies": [policy], "Connections": [connection]}
    assert oracles.answers(oracle_programs / "enforcer", [world, [0]]) == ["1" if always else "0"]
    assert decide([read(policy, NetworkPolicy)], pod, client, 9000).allowed is bool(always)
