"""What NetworkPolicies mean for one connection, and which of them decides.

The rules are those of https://kubernetes.io/docs/concepts/services-networking/network-policies/: a
pod that no policy selects takes everything; a pod that some select takes what any of them allows,
and nothing else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from checks.facts import Pod
from checks.selectors import selects

NAMESPACE_NAME = (
    "kubernetes.io/metadata.name"  # the label that the API server itself gives each namespace
)

Direction = Literal["Ingress", "Egress"]
_RULES: Mapping[Direction, tuple[str, str]] = {
    "Ingress": ("ingress", "from"),
    "Egress": ("egress", "to"),
}


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
    policies: Iterable[Mapping[str, Any]],
    pod: Pod,
    peer: Peer,
    port: int,
    *,
    protocol: str = "TCP",
    direction: Direction = "Ingress",
) -> Decision:
    """Whether `pod` may be reached by `peer` on its own `port` (Ingress), or may reach `peer` on
    that port (Egress).

    `policies` are those of the pod's namespace, as the API gives them.
    """
    applying = [policy for policy in policies if _applies(policy, pod, direction)]
    selecting = tuple(str(policy["metadata"]["name"]) for policy in applying)
    if not applying:
        return Decision(True)
    allowed: bool | None = False
    by = ""
    rules, peers = _RULES[direction]
    for policy in applying:
        for rule in policy["spec"].get(rules) or ():
            answer = _both(
                _any(_matches(one, pod, peer) for one in rule.get(peers) or ())
                if rule.get(peers)
                else True,
                _on_port(
                    rule.get("ports") or (), pod if direction == "Ingress" else None, port, protocol
                ),
            )
            if answer is True:
                return Decision(True, selecting, str(policy["metadata"]["name"]))
            if answer is None:
                allowed, by = None, by or str(policy["metadata"]["name"])
    return Decision(allowed, selecting, by)


def _applies(policy: Mapping[str, Any], pod: Pod, direction: Direction) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or (
        ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    )
    return direction in types and selects(spec.get("podSelector") or {}, pod.labels)


def families(pod: Pod) -> frozenset[int]:
    """The address families, 4 and 6, in which the pod has an address; empty where it has none yet.

    Both ends of a connection are of one family: a block of another one is about no connection of
    this pod.
    """
    given = [one["ip"] for one in (pod.raw.get("status") or {}).get("podIPs") or ()] or [pod.ip]
    return frozenset(ipaddress.ip_address(ip).version for ip in given if ip)


def _matches(entry: Mapping[str, Any], own: Pod, peer: Peer) -> bool | None:
    """Whether one element of `from` or `to` takes `peer`: its parts are joined by AND."""
    if "ipBlock" in entry:
        return _in_block(entry["ipBlock"], own, peer.ip)
    pod = selects(entry["podSelector"], peer.labels) if "podSelector" in entry else True
    if "namespaceSelector" not in entry:
        return pod and peer.namespace == own.namespace
    return _both(_in_namespace(entry["namespaceSelector"] or {}, peer), pod)


def _in_namespace(selector: Mapping[str, Any], peer: Peer) -> bool | None:
    if peer.namespace_labels is not None:
        return selects(selector, {NAMESPACE_NAME: peer.namespace, **peer.namespace_labels})
    parts: Sequence[Mapping[str, Any]] = [
        *(
            {"matchLabels": {key: value}}
            for key, value in (selector.get("matchLabels") or {}).items()
        ),
        *({"matchExpressions": [one]} for one in selector.get("matchExpressions") or ()),
    ]
    known = {NAMESPACE_NAME: peer.namespace}
    answer: bool | None = True
    for part in parts:
        about = next(iter(part.get("matchLabels") or {}), "") or part.get("matchExpressions", [{}])[
            0
        ].get("key")
        answer = _both(answer, selects(part, known) if about == NAMESPACE_NAME else None)
    return answer


def _in_block(block: Mapping[str, Any], own: Pod, ip: str) -> bool | None:
    """None without an address, even for all of them: whether a block takes pods at all is up to the
    network plug-in."""
    network = ipaddress.ip_network(block["cidr"], strict=False)
    excepted = [ipaddress.ip_network(one, strict=False) for one in block.get("except") or ()]
    if not ip:
        known = families(own)
        return False if known and network.version not in known else None
    address = ipaddress.ip_address(ip)
    return address in network and not any(address in one for one in excepted)


def _on_port(
    ports: Sequence[Mapping[str, Any]], pod: Pod | None, port: int, protocol: str
) -> bool | None:
    return _any(_is_port(entry, pod, port, protocol) for entry in ports) if ports else True


def _is_port(entry: Mapping[str, Any], pod: Pod | None, port: int, protocol: str) -> bool | None:
    if (entry.get("protocol") or "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return None if pod is None else port in _named(pod, wanted, protocol)
    return bool(wanted <= port <= (entry.get("endPort") or wanted))


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
