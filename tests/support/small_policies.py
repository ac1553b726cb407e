"""Every small set of NetworkPolicies over three namespaces of two pods, and what they mean by the
checks' reasoning.

A set is one policy of one rule with at most two peers and two ports, though not two of each,
spelled in every way; one policy of two rules with at most one of each; or two policies, in any
namespaces, of at most one such rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from checks.diagnosis.policies.decision import NAMESPACE_NAME, Peer, decide
from checks.facts import Pod
from checks.objects.parts import read
from checks.objects.policies import Direction, NetworkPolicy
from checks.sources.objects import pod_of

Policy = Mapping[str, Any]
Part = dict[str, Any]

NAMESPACES: Mapping[str, Mapping[str, str]] = {
    name: {NAMESPACE_NAME: name, **labels}
    for name, labels in {
        "x": {"team": "blue", "stage": "prod"},
        "y": {"stage": "dev"},
        "z": {},
    }.items()
}
_LABELS: Mapping[str, Mapping[str, str]] = {"a": {"app": "a"}, "b": {"app": "b", "tier": "back"}}
_HTTP = {"a": 80, "b": 8080}  # the port of that name


def _pod(namespace: str, name: str) -> Part:
    ip = f"10.0.{'xyz'.index(namespace) + 1}.{'ab'.index(name) + 1}"
    ports = [{"name": "http", "containerPort": _HTTP[name], "protocol": "TCP"}]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": _LABELS[name],
            "uid": f"{namespace}-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"containers": [{"name": "box", "image": "box", "ports": ports}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]},
    }


POD_OBJECTS: Sequence[Part] = [
    _pod(namespace, name) for namespace in NAMESPACES for name in _LABELS
]
PODS: Sequence[Pod] = [pod_of(item) for item in POD_OBJECTS]


@dataclass(frozen=True)
class Connection:
    """From a pod of `PODS` to another one, by their indices."""

    client: int
    server: int
    port: int
    protocol: str = "TCP"


CONNECTIONS: Sequence[Connection] = [
    Connection(client, server, port)
    for client, server in itertools.permutations(range(len(PODS)), 2)
    for port in sorted(_HTTP.values())
]

# also where there is no such label
_TIER = {
    "key": "tier",
    "operator": "NotIn",
    "values": ["back"],
}
_STAGE = {"key": "stage", "operator": "NotIn", "values": ["prod"]}
SUBJECTS: Sequence[Part] = (
    {},
    {"matchLabels": {"app": "a"}},
    {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
)
PEERS: Sequence[Part] = (
    {"podSelector": {"matchLabels": {"app": "a"}}},
    {"namespaceSelector": {}},
    {"namespaceSelector": {"matchExpressions": [_STAGE]}},
    {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "y"}},
        "podSelector": {"matchExpressions": [_TIER]},
    },
    {"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24", "10.0.2.1/32"]}},
    {"podSelector": {}},
    # What several rules do without:
    {"namespaceSelector": {"matchLabels": {"team": "blue"}}},
    {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "b"}}},
    {
        "namespaceSelector": {
            "matchExpressions": [{"key": NAMESPACE_NAME, "operator": "In", "values": ["x", "z"]}]
        }
    },
    {
        "namespaceSelector": {"matchExpressions": [{"key": "stage", "operator": "DoesNotExist"}]},
        "podSelector": {},
    },
    {"ipBlock": {"cidr": "10.0.2.2/32"}},
    {"ipBlock": {"cidr": "::/0"}},
)
PORTS: Sequence[Part] = (
    {"port": 80},
    {"port": "http", "protocol": "TCP"},
    {"port": 79, "endPort": 100},
    {"port": 8080, "protocol": "UDP"},
    {"protocol": "TCP"},
    {"port": "absent"},
)
_FEW_PEERS, _FEW_PORTS = PEERS[:6], PORTS[:4]


def _up_to(count: int, parts: Sequence[Part]) -> list[list[Part]]:
    return [list(some) for size in range(count + 1) for some in itertools.combinations(parts, size)]


def _rules(side: str, peers: Sequence[Part], ports: Sequence[Part], most: int) -> Iterator[Part]:
    """Every rule with at most `most` peers and ports, though not two of each."""
    for some, those in itertools.product(_up_to(most, peers), _up_to(most, ports)):
        if min(len(some), len(those)) <= 1:
            yield {side: some, "ports": those}


def _spelled(rules: Iterable[Part]) -> Iterator[Part]:
    """The same rules, their empty lists also left out or null."""
    for rule in rules:
        yield rule
        if not all(rule.values()):
            yield {key: value for key, value in rule.items() if value}
            yield {key: value or None for key, value in rule.items()}


SIDES: Mapping[Direction, str] = {"Ingress": "from", "Egress": "to"}


def _shapes(direction: Direction, rules: Sequence[Part] | None) -> Iterator[Part]:
    """The parts of a spec that say which direction the rules are of, spelled in every way."""
    key = direction.lower()
    yield {key: rules, "policyTypes": [direction]}
    yield {key: rules}
    yield {key: rules, "policyTypes": ["Ingress", "Egress"]}
    # these rules do nothing
    yield {
        key: rules,
        "policyTypes": ["Egress" if direction == "Ingress" else "Ingress"],
    }


def _policies(specs: Callable[[Direction, str], Iterable[Part]]) -> Iterator[Policy]:
    """One for each spec, subject and namespace."""
    for (direction, side), subject, namespace in itertools.product(
        SIDES.items(), SUBJECTS, NAMESPACES
    ):
        for spec in specs(direction, side):
            yield {"metadata": {"namespace": namespace}, "spec": {"podSelector": subject, **spec}}


def _of_one_rule(direction: Direction, side: str) -> Iterator[Part]:
    for rules in [None, [], *([rule] for rule in _spelled(_rules(side, PEERS, PORTS, 2)))]:
        yield from _shapes(direction, rules)


def _of_two_rules(direction: Direction, side: str) -> Iterator[Part]:
    for rules in itertools.combinations(_rules(side, _FEW_PEERS, _FEW_PORTS, 1), 2):
        yield {direction.lower(): list(rules), "policyTypes": [direction]}


def _for_pairs(direction: Direction, side: str) -> Iterator[Part]:
    for rules in [[], *([rule] for rule in _rules(side, _FEW_PEERS, _FEW_PORTS, 1))]:
        yield {direction.lower(): rules, "policyTypes": [direction]}


class Catalogue:
    """The policies, each under a name of its own, and the sets of them, as indices."""

    def __init__(self) -> None:
        alone = [*_policies(_of_one_rule), *_policies(_of_two_rules)]
        paired = list(_policies(_for_pairs))
        self.policies: Sequence[Policy] = [
            {**policy, "metadata": {**policy["metadata"], "name": f"policy-{index}"}}
            for index, policy in enumerate([*alone, *paired])
        ]
        pairs = itertools.combinations(range(len(alone), len(self.policies)), 2)
        self.sets: Sequence[tuple[int, ...]] = [*((index,) for index in range(len(alone))), *pairs]

    def questions(self, sets: Sequence[Sequence[int]]) -> Iterator[Any]:
        """The lines that a program of `tests.platform.oracles` reads: a world with the policies of
        these sets, then each set."""
        used = {
            index: place
            for place, index in enumerate(sorted({index for one in sets for index in one}))
        }
        yield {
            "Pods": POD_OBJECTS,
            "Namespaces": [
                {"metadata": {"name": name, "labels": labels}}
                for name, labels in NAMESPACES.items()
            ],
            "Policies": [self.policies[index] for index in used],
            "Connections": [
                {
                    "From": PODS[one.client].ip,
                    "To": PODS[one.server].ip,
                    "Port": one.port,
                    "Protocol": one.protocol,
                }
                for one in CONNECTIONS
            ],
        }
        yield from ([used[index] for index in one] for one in sets)


class Meaning(NamedTuple):
    """Bits of `CONNECTIONS`: those that are denied, and those of which the reasoning says that it
    does not know."""

    denied: int
    unknown: int

    def contradicts(self, verdicts: str) -> int:
        """Bits of the connections of which a program says otherwise: it writes 1 for allowed, the
        first one first."""
        allowed = int(verdicts[::-1], 2)
        return ~(self.denied ^ allowed) & ~self.unknown & _EVERY


def meanings(
    catalogue: Catalogue,
    sets: Iterable[Sequence[int]],
    peers: Sequence[Peer],
    reads: Callable[[Policy], Policy] = dict,
) -> Iterator[Meaning]:
    """What `decide` makes of each set, for every connection.

    `peers`: what is known of each of `PODS`. `reads`: how a policy is read, for the tests of the
    comparison itself.
    """
    alone: dict[
        int, Meaning
    ] = {}  # of a policy whose namespace has no other: each is in hundreds of sets
    for one in sets:
        denied = unknown = 0
        for namespace in NAMESPACES:
            own = [
                index
                for index in one
                if catalogue.policies[index]["metadata"]["namespace"] == namespace
            ]
            there = alone.get(own[0]) if len(own) == 1 else None
            if own and there is None:
                found = [read(reads(catalogue.policies[index]), NetworkPolicy) for index in own]
                there = _meaning_there(namespace, found, peers)
                if len(own) == 1:
                    alone[own[0]] = there
            if there:
                denied, unknown = denied | there.denied, unknown | there.unknown
        yield Meaning(denied, unknown & ~denied)


def _meaning_there(
    namespace: str, policies: Sequence[NetworkPolicy], peers: Sequence[Peer]
) -> Meaning:
    denied = unknown = 0
    for bit, pod, other, one, direction in _ENDS[namespace]:
        decision = decide(
            policies, pod, peers[other], one.port, protocol=one.protocol, direction=direction
        )
        if decision.allowed is None:
            unknown |= bit
        elif not decision.allowed:
            denied |= bit
    return Meaning(denied, unknown)


def _ends(namespace: str) -> Iterator[tuple[int, Pod, int, Connection, Direction]]:
    """For each end that a pod of this namespace is of a connection: its bit, the pod, the other
    pod's index, itself."""
    for index, one in enumerate(CONNECTIONS):
        ends: Sequence[tuple[int, int, Direction]] = (
            (one.client, one.server, "Egress"),
            (one.server, one.client, "Ingress"),
        )
        for own, other, direction in ends:
            if PODS[own].namespace == namespace:
                yield 1 << index, PODS[own], other, one, direction


_EVERY = (1 << len(CONNECTIONS)) - 1
_ENDS = {namespace: list(_ends(namespace)) for namespace in NAMESPACES}
KNOWN: Sequence[Peer] = [
    Peer(pod.namespace, pod.labels, NAMESPACES[pod.namespace], pod.ip) for pod in PODS
]
HALF_KNOWN: Sequence[Peer] = [replace(peer, namespace_labels=None, ip="") for peer in KNOWN]
