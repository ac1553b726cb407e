"""Whom the NetworkPolicies of a pod admit besides those who may come.

« Nobody else » is an open sentence: it is proven from what is allowed. Each element of each rule
that takes the pod's port is read as a set of clients; those who may come are taken out of it, and
what is left is an opening, wherever it is written. Where we cannot read what a set holds (labels of
a namespace, addresses of pods), it is a doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from checks.diagnosis.policies.address_blocks import open_blocks
from checks.diagnosis.policies.allowed import OWNER, Circle, known_labels, owner_of
from checks.diagnosis.policies.decision import NAMESPACE_NAME, Peer, decide, families
from checks.facts import Pod
from checks.objects.labels import EVERYTHING, LabelSelector, Requirement
from checks.objects.policies import (
    IngressRule,
    IpBlock,
    NetworkPolicy,
    PolicyPeer,
    WrittenPeer,
    of_one_rule,
)

_OPERATOR = LabelSelector({"app.kubernetes.io/name": "cloudnative-pg"})
"""The label of the operator's pods, in the rule of CloudNativePG's documentation."""

Kind = Literal["anywhere", "everybody", "labels", "namespaces", "administrators", "addresses"]


@dataclass(frozen=True)
class Leak:
    """What a policy admits that it should not, or may not (`sure` false): `what` names it, by its
    `kind`."""

    policy: str
    kind: Kind
    what: tuple[str, ...] = ()
    sure: bool = True
    whole: str = ""
    """The addresses that these blocks form, with other ones."""
    rule: IngressRule = field(default_factory=IngressRule)
    """A rule of this part alone."""


@dataclass(frozen=True)
class _Sorted:
    """What of an element of `from` may stay, and what of it opens."""

    kept: Sequence[PolicyPeer] = ()
    leaks: Sequence[Leak] = ()


@dataclass(frozen=True)
class Reading:
    """The policies that apply to a pod, read for one of its ports."""

    policies: Sequence[NetworkPolicy]
    pod: Pod
    port: int
    circle: Circle

    def leaks(self) -> Sequence[Leak]:
        """All that is open, then all that may be; one for each policy and kind."""
        merged: dict[tuple[object, ...], Leak] = {}
        for leak in self._all():
            key = (leak.policy, leak.kind, leak.sure)
            before = merged[key].what if key in merged else ()
            merged[key] = replace(leak, what=tuple(dict.fromkeys((*before, *leak.what))))
        return sorted(merged.values(), key=lambda leak: not leak.sure)

    def contradicted(self) -> bool:
        """Whether the connection that was tried stayed out, although a rule takes it."""
        tried = self.circle.tried
        if tried is None or self.circle.entered:
            return False
        return any(leak.sure and self._takes(leak, tried) is True for leak in self._all())

    def programs(self) -> Sequence[str]:
        """The administrators' namespaces of which some programs, and not all pods, are admitted."""
        found: dict[str, None] = {}
        for _, rule in self._rules():
            for entry in rule.peers:
                if not self._sorted("", entry).leaks:
                    found |= dict.fromkeys(self._others(entry.namespace_selector))
        return list(found)

    def kept(self, policy: NetworkPolicy) -> Sequence[IngressRule]:
        """The rules of a policy without what opens, or may open: the rules of other ports stay as
        they are."""
        rules: list[IngressRule] = []
        for rule in policy.spec.ingress:
            if not self._on_port(rule):
                rules.append(rule)
            elif entries := [one for entry in rule.peers for one in self._sorted("", entry).kept]:
                rules.append(msgspec.structs.replace(rule, peers=tuple(entries)))
        return rules

    def serves_others(self, policy: NetworkPolicy) -> bool:
        """Whether what is to be kept of it serves more than one's own pods and those who may
        come."""
        return any(
            not rule.peers or any(self._of_others(entry) for entry in rule.peers)
            for rule in self.kept(policy)
        )

    def _of_others(self, entry: PolicyPeer) -> bool:
        return entry.ip_block is not None or bool(self._others(entry.namespace_selector))

    def _others(self, selector: LabelSelector | None) -> Sequence[str]:
        """The namespaces, of those that a selector names, that are not of those who may come."""
        if selector is None:
            return []
        named = selector.values_taken(NAMESPACE_NAME) or frozenset()
        names = sorted(named - self.circle.namespaces)
        return [name for name in names if selector.is_satisfiable(known_labels(name))]

    def _rules(self) -> Iterator[tuple[str, IngressRule]]:
        """The rules that apply to the port of the pod, each with the name of its policy."""
        for policy in self.policies:
            if decide([policy], self.pod, Peer(""), 0).selecting:
                for rule in policy.spec.ingress:
                    if self._on_port(rule):
                        yield policy.name, rule

    def _on_port(self, rule: IngressRule) -> bool:
        anybody = of_one_rule(IngressRule(ports=rule.ports))
        return decide([anybody], self.pod, Peer(""), self.port).allowed is not False

    def _all(self) -> Sequence[Leak]:
        """Each by itself. What a real connection showed wins: who came in was let in by what takes
        them."""
        found = [leak for name, rule in self._rules() for leak in self._of_rule(name, rule)]
        tried = self.circle.tried
        if tried is None or not self.circle.entered:
            return found
        taken = [self._takes(leak, tried) for leak in found]
        if True in taken:
            return found
        return [
            leak if answer is False else replace(leak, sure=True)
            for leak, answer in zip(found, taken, strict=True)
        ]

    def _of_rule(self, policy: str, rule: IngressRule) -> Iterator[Leak]:
        if not rule.peers:
            yield Leak(policy, "anywhere", rule=rule)
        for entry in rule.peers:
            for leak in self._sorted(policy, entry).leaks:
                yield replace(leak, rule=msgspec.structs.replace(rule, peers=(entry,)))

    def _blocks(self) -> Sequence[IpBlock]:
        entries = (entry for _, rule in self._rules() for entry in rule.peers)
        return [entry.ip_block for entry in entries if entry.ip_block is not None]

    def _takes(self, leak: Leak, peer: Peer) -> bool | None:
        return decide([of_one_rule(leak.rule)], self.pod, peer, self.port).allowed

    # -- one element -------------------------------------------------------------------------------

    def _sorted(self, policy: str, entry: PolicyPeer) -> _Sorted:
        if entry.ip_block is not None:
            cidr = entry.ip_block.cidr
            found = open_blocks(self._blocks(), families(self.pod), self.circle).get(cidr)
            if found is None:
                return _Sorted([entry])
            return _Sorted(leaks=[Leak(policy, "addresses", (cidr,), found.sure, found.whole)])
        selector, pods = entry.namespace_selector, entry.pod_selector or EVERYTHING
        if selector is None or not pods.is_satisfiable() or not selector.is_satisfiable():
            return _Sorted([entry])
        if selector.values_taken(NAMESPACE_NAME) is not None:
            return self._of_names(policy, entry, selector, pods)
        leak = self._of_any_name(policy, selector)
        return _Sorted(leaks=[leak]) if leak else _Sorted([entry])

    def _of_any_name(self, policy: str, selector: LabelSelector) -> Leak | None:
        owners = selector.values_taken(OWNER)
        if owners is not None and owners <= {owner_of(name) for name in self.circle.namespaces}:
            return None
        if not selector.keys:
            return Leak(policy, "everybody")
        return Leak(policy, "labels", (str(selector),), sure=_is_known(selector))

    def _of_names(
        self, policy: str, entry: PolicyPeer, selector: LabelSelector, pods: LabelSelector
    ) -> _Sorted:
        others = self._others(selector)
        theirs = [name for name in others if self.circle.administrators(name)]
        people = [name for name in others if name not in theirs]
        narrow = any(pods.values_taken(key) is not None for key in pods.keys)
        if not people and (narrow or not theirs):
            return _Sorted([entry])
        kept: list[PolicyPeer] = []
        named = selector.values_taken(NAMESPACE_NAME) or frozenset()
        if friends := sorted(named & self.circle.namespaces):
            only = _only(selector, friends)
            kept.append(msgspec.structs.replace(entry, namespace_selector=only))
        if theirs:
            some, only = pods if narrow else _OPERATOR, _only(selector, theirs)
            kept.append(WrittenPeer(namespace_selector=only, pod_selector=some))
        sure = _is_known(selector)
        leaks = [Leak(policy, "namespaces", tuple(people), sure)] if people else []
        if theirs and not narrow:
            leaks.append(Leak(policy, "administrators", tuple(theirs), sure))
        return _Sorted(kept, leaks)


def _is_known(selector: LabelSelector) -> bool:
    """Whether it asks only for labels that are known of every namespace of a person."""
    return {*selector.keys} <= {NAMESPACE_NAME, OWNER}


def _only(selector: LabelSelector, names: Sequence[str]) -> LabelSelector:
    """The same selector, for some of the namespaces that it names."""
    kept = tuple(
        one for key, asked in selector.by_key().items() if key != NAMESPACE_NAME for one in asked
    )
    if len(names) == 1:
        return LabelSelector({NAMESPACE_NAME: names[0]}, kept)
    return LabelSelector({}, (Requirement(NAMESPACE_NAME, "In", tuple(names)), *kept))
