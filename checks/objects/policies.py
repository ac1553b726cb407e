"""NetworkPolicies.

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from checks.decoding import prepared
from checks.objects.labels import LabelSelector
from checks.objects.parts import Metadata, Object, Part

Direction = Literal["Ingress", "Egress"]


class IpBlock(Part, frozen=True):
    """Addresses, without some of them."""

    cidr: str
    exceptions: tuple[str, ...] = msgspec.field(name="except", default=())


class PolicyPort(Part, frozen=True):
    """Ports of a pod, up to `end_port` where there is one; `port` None: all of them."""

    protocol: str = ""
    port: int | str | None = None
    end_port: int | None = None

    @property
    def transport(self) -> str:
        """The protocol that is meant where none is written too."""
        return self.protocol or "TCP"


class PolicyPeer(Part, frozen=True):
    """An element of `from` or `to`: its parts are joined by AND; None: is not there, which is not
    an empty selector."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None


class WrittenPeer(PolicyPeer, frozen=True, kw_only=True):
    """An element that we write: the namespaces before their pods, as one says it, where the API
    says the pods first."""

    pod_selector: LabelSelector | None = None


class IngressRule(Part, frozen=True):
    """Who enters, by which ports; without `ports` by all of them, without `peers` from anywhere."""

    ports: tuple[PolicyPort, ...] = ()
    peers: tuple[PolicyPeer, ...] = msgspec.field(name="from", default=())


class EgressRule(Part, frozen=True):
    """Where one goes, to which ports; without `ports` to all of them, without `peers` anywhere."""

    ports: tuple[PolicyPort, ...] = ()
    peers: tuple[PolicyPeer, ...] = msgspec.field(name="to", default=())


class NetworkPolicySpec(Part, frozen=True):
    """What is asked of the network about the pods that `pod_selector` chooses."""

    pod_selector: LabelSelector = LabelSelector()
    ingress: tuple[IngressRule, ...] = ()
    egress: tuple[EgressRule, ...] = ()
    policy_types: tuple[str, ...] = ()


class NetworkPolicy(Object, frozen=True):
    """What may enter some pods of a namespace, and leave them."""

    spec: NetworkPolicySpec

    def governs(self, direction: Direction) -> bool:
        """Whether it decides in that direction: what the API server notes, or would note."""
        noted = self.spec.policy_types or (
            ("Ingress", "Egress") if self.spec.egress else ("Ingress",)
        )
        return direction in noted

    def rules(self, direction: Direction) -> tuple[IngressRule, ...] | tuple[EgressRule, ...]:
        """Its rules of that direction."""
        return self.spec.ingress if direction == "Ingress" else self.spec.egress

    def with_rules(self, rules: Iterable[IngressRule]) -> NetworkPolicy:
        """The same with other rules for what enters."""
        spec = msgspec.structs.replace(self.spec, ingress=tuple(rules))
        return msgspec.structs.replace(self, spec=spec)


prepared(NetworkPolicy)


def of_one_rule(rule: IngressRule) -> NetworkPolicy:
    """A policy of all pods that has this rule and no other."""
    return NetworkPolicy(Metadata(""), NetworkPolicySpec(ingress=(rule,)))
