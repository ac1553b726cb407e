"""The meaning of NetworkPolicies where something is not known: a guess would be unfair."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from checks.diagnosis.policies import reachability
from checks.diagnosis.policies.decision import Peer, decide
from checks.diagnosis.policies.explanations import missing
from checks.errors import UsageError
from checks.facts import Pod
from checks.objects.parts import read
from checks.objects.policies import NetworkPolicy

BASE = Pod(
    name="base-1",
    namespace="user-alice",
    uid="",
    labels={"app": "base"},
    phase="Running",
    ready=True,
    deleting=False,
    ip="10.0.0.1",
    containers=(),
    created=datetime.now(UTC),
)
STRANGER = Peer("user-bob")


def policy(*peers: dict[str, Any]) -> NetworkPolicy:
    return made("regle", {"podSelector": {}, "ingress": [{"from": list(peers)}]})


def made(name: str, spec: dict[str, Any]) -> NetworkPolicy:
    return read({"metadata": {"name": name}, "spec": spec}, NetworkPolicy)


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "user-bob"}}}, True),
        (
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "user-zoe"}}},
            False,
        ),
        ({"namespaceSelector": {"matchLabels": {"equipe": "ensai"}}}, None),
        (
            {
                "namespaceSelector": {"matchLabels": {"equipe": "x"}},
                "podSelector": {"matchLabels": {"a": "b"}},
            },
            False,
        ),
        ({"namespaceSelector": {}}, True),
        ({"podSelector": {}}, False),
        # whether a block takes pods is up to the network plug-in
        (
            {"ipBlock": {"cidr": "0.0.0.0/0"}},
            None,
        ),
        ({"ipBlock": {"cidr": "::/0"}}, False),  # the pod has no address of this family
        ({"ipBlock": {"cidr": "10.0.0.0/8"}}, None),
        ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}, None),
    ],
)
def test_what_is_not_known_is_not_guessed(peer: dict[str, Any], allowed: bool | None) -> None:
    assert decide([policy(peer)], BASE, STRANGER, 5432).allowed is allowed


def test_the_policy_that_decides_is_named() -> None:
    everybody = policy({"namespaceSelector": {}})
    closed = made("fermee", {"podSelector": {}})
    assert decide([closed], BASE, STRANGER, 5432).selecting == ("fermee",)
    assert decide([closed, everybody], BASE, STRANGER, 5432).by == "regle"
    elsewhere = made("ailleurs", {"podSelector": {"matchLabels": {"app": "autre"}}})
    assert decide([elsewhere], BASE, STRANGER, 5432).allowed, (
        "a policy that selects nothing closes nothing"
    )


def test_the_policy_that_misses_a_pod_is_the_one_that_was_meant_for_it() -> None:
    others = [replace(BASE, name="api", labels={"app": "api"})]
    serves = made("api", {"podSelector": {"matchLabels": {"app": "api"}}})
    assert missing([serves], BASE, others) is None, "it serves another pod"
    egress = {"podSelector": {"matchLabels": {"app": "x"}}, "policyTypes": ["Egress"]}
    assert missing([made("sortie", egress)], BASE, others) is None, "it says nothing of who enters"

    idle = made("ancienne", {"podSelector": {"matchLabels": {"app": "partie"}}})
    its_own = made("base", {"podSelector": {"matchLabels": {"app": "api"}}})
    for known, name in (([serves, idle], "ancienne"), ([serves, idle, its_own], "base")):
        found = missing(known, BASE, others)
        assert found is not None
        assert found[0] == name
    of_a_neighbour = made("base", {"podSelector": {"matchLabels": {"app": "api"}}})
    longer = replace(BASE, name="base-7-1")
    assert missing([of_a_neighbour], longer, others) is None, "« base » is not « base-7 »"


def test_somebody_whose_namespace_is_gone_is_no_outsider() -> None:
    """Their access may be kept on this machine longer."""

    def gone() -> None:
        raise UsageError("Vous n’avez pas accès au namespace.", "Vérifiez son nom.")

    there = {
        "user-parti": SimpleNamespace(namespace="user-parti", network_policies=gone),
        "user-chloe": SimpleNamespace(namespace="user-chloe", network_policies=list),
    }
    cluster: Any = SimpleNamespace(outsiders=lambda: [*there, "user-ailleurs"], as_owner=there.get)
    found = reachability._outsider(cluster)
    assert found is not None
    assert found.namespace == "user-chloe"
