"""What NetworkPolicies mean for one connection, and which of them decides.

The rules are those of https://kubernetes.io/docs/concepts/services-networking/network-policies/: a
pod that no policy selects takes everything; a pod that some select takes what any of them allows,
and nothing else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from checks.facts import Pod
from checks.objects.labels import LabelSelector
from checks.objects.policies import Direction, IpBlock, NetworkPolicy, PolicyPeer, PolicyPort

NAMESPACE_NAME = (
    "kubernetes.io/metadata.name"  # the label that the API server itself gives each namespace
)


@dataclass(frozen=True)
class Peer:
    """The other end of a connection. `ip` "" and `namespace_labels` None: not known, beyond the
    namespace's name."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] | None = None
    ip: str = ""


@dataclass(frozen=True)
class Decision:
    """What the policies decide. `allowed` None: it depends on what we do not know (a namespace's
    labels, an address).

    `selecting` names the policies that apply to the pod in that direction, `by` the one that
    allows.
    """

    allowed: bool | None
    selecting: tuple[str, ...] = ()
    by: str = ""


def decide(
    policies: Iterable[NetworkPolicy],
    pod: Pod,
    peer: Peer,
    port: int,
    *,
    protocol: str = "TCP",
    direction: Direction = "Ingress",
) -> Decision:
    """Whether `pod` may be reached by `peer` on its own `port` (Ingress), or may reach `peer` on
    that port (Egress).

    `policies` are those of the pod's namespace.
    """
    applying = [policy for policy in policies if _applies(policy, pod, direction)]
    selecting = tuple(policy.name for policy in applying)
    if not applying:
        return Decision(True)
    allowed: bool | None = False
    by = ""
    owner = pod if direction == "Ingress" else None  # whose names of ports they are
    for policy in applying:
        for rule in policy.rules(direction):
            answer = _both(
                _any(_matches(one, pod, peer) for one in rule.peers) if rule.peers else True,
                _on_port(rule.ports, owner, port, protocol),
            )
            if answer is True:
                return Decision(True, selecting, policy.name)
            if answer is None:
                allowed, by = None, by or policy.name
    return Decision(allowed, selecting, by)


def _applies(policy: NetworkPolicy, pod: Pod, direction: Direction) -> bool:
    return policy.governs(direction) and policy.spec.pod_selector.selects(pod.labels)


def families(pod: Pod) -> frozenset[int]:
    """The address families, 4 and 6, in which the pod has an address; empty where it has none yet.

    Both ends of a connection are of one family: a block of another one is about no connection of
    this pod.
    """
    return frozenset(ipaddress.ip_address(ip).version for ip in pod.addresses)


def _matches(entry: PolicyPeer, own: Pod, peer: Peer) -> bool | None:
    """Whether one element of `from` or `to` takes `peer`."""
    if entry.ip_block is not None:
        return _in_block(entry.ip_block, own, peer.ip)
    pod = entry.pod_selector is None or entry.pod_selector.selects(peer.labels)
    if entry.namespace_selector is None:
        return pod and peer.namespace == own.namespace
    return _both(_in_namespace(entry.namespace_selector, peer), pod)


def _in_namespace(selector: LabelSelector, peer: Peer) -> bool | None:
    known = {NAMESPACE_NAME: peer.namespace}
    if peer.namespace_labels is not None:
        return selector.selects({**known, **peer.namespace_labels})
    answer: bool | None = True
    for one in selector.requirements:
        answer = _both(answer, one.takes(known) if one.key == NAMESPACE_NAME else None)
    return answer


def _in_block(block: IpBlock, own: Pod, ip: str) -> bool | None:
    """None without an address, even for all of them: whether a block takes pods at all is up to the
    network plug-in."""
    network = ipaddress.ip_network(block.cidr, strict=False)
    excepted = [ipaddress.ip_network(one, strict=False) for one in block.exceptions]
    if not ip:
        known = families(own)
        return False if known and network.version not in known else None
    address = ipaddress.ip_address(ip)
    return address in network and not any(address in one for one in excepted)


def _on_port(ports: Sequence[PolicyPort], pod: Pod | None, port: int, protocol: str) -> bool | None:
    return _any(_is_port(entry, pod, port, protocol) for entry in ports) if ports else True


def _is_port(entry: PolicyPort, pod: Pod | None, port: int, protocol: str) -> bool | None:
    wanted = entry.port
    if entry.transport != protocol:
        return False
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return None if pod is None else port in _named(pod, wanted, protocol)
    return wanted <= port <= (entry.end_port or wanted)


def _named(pod: Pod, name: str, protocol: str) -> set[int]:
    """All that bear the name: a policy takes each of them."""
    declared = (one for box in pod.containers for one in box.ports)
    return {one.number for one in declared if (one.name, one.protocol) == (name, protocol)}


def _any(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    return True if True in found else None if None in found else False


def _both(first: bool | None, second: bool | None) -> bool | None:
    if first is False or second is False:
        return False
    return None if first is None or second is None else True
