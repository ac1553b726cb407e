"""Whom the NetworkPolicies of a pod admit besides those who may come.

« Nobody else » is an open sentence: it is proven from what is allowed. Each element of each rule
that takes the pod's port is read as a set of clients; those who may come are taken out of it, and
what is left is an opening, wherever it is written. Where we cannot read what a set holds (labels of
a namespace, addresses of pods), it is a doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from checks.diagnosis.policies.address_blocks import open_blocks
from checks.diagnosis.policies.allowed import OWNER, Circle, known_labels, owner_of
from checks.diagnosis.policies.decision import NAMESPACE_NAME, Peer, decide, families
from checks.facts import Pod
from checks.selectors import by_key, satisfiable, values_taken, written

Policy = Mapping[str, Any]
Entry = Mapping[str, Any]

_OPERATOR = {"app.kubernetes.io/name": "cloudnative-pg"}
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
    rule: Mapping[str, Any] = field(default_factory=dict)
    """A rule of this part alone."""


@dataclass(frozen=True)
class Reading:
    """The policies that apply to a pod, read for one of its ports."""

    policies: Sequence[Policy]
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
            for entry in rule.get("from") or ():
                if not self._sorted("", entry)[1]:
                    found |= dict.fromkeys(self._others(entry.get("namespaceSelector") or {}))
        return list(found)

    def kept(self, policy: Policy) -> list[Mapping[str, Any]]:
        """The rules of a policy without what opens, or may open: the rules of other ports stay as
        they are."""
        rules: list[Mapping[str, Any]] = []
        for rule in policy["spec"].get("ingress") or ():
            if not self._on_port(rule):
                rules.append(rule)
            elif entries := [
                one for entry in rule.get("from") or () for one in self._sorted("", entry)[0]
            ]:
                rules.append({**rule, "from": entries})
        return rules

    def serves_others(self, policy: Policy) -> bool:
        """Whether what is to be kept of it serves more than one's own pods and those who may
        come."""
        return any(
            not rule.get("from") or any(self._of_others(entry) for entry in rule["from"])
            for rule in self.kept(policy)
        )

    def _of_others(self, entry: Entry) -> bool:
        return "ipBlock" in entry or bool(self._others(entry.get("namespaceSelector") or {}))

    def _others(self, selector: Mapping[str, Any]) -> Sequence[str]:
        """The namespaces, of those that a selector names, that are not of those who may come."""
        names = sorted(
            (values_taken(selector, NAMESPACE_NAME) or frozenset()) - self.circle.namespaces
        )
        return [name for name in names if satisfiable(selector, known_labels(name))]

    def _rules(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The rules that apply to the port of the pod, each with the name of its policy."""
        for policy in self.policies:
            if decide([policy], self.pod, Peer(""), 0).selecting:
                for rule in policy["spec"].get("ingress") or ():
                    if self._on_port(rule):
                        yield str(policy["metadata"]["name"]), rule

    def _on_port(self, rule: Mapping[str, Any]) -> bool:
        return (
            decide([_alone({**rule, "from": []})], self.pod, Peer(""), self.port).allowed
            is not False
        )

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

    def _of_rule(self, policy: str, rule: Mapping[str, Any]) -> Iterator[Leak]:
        if not rule.get("from"):
            yield Leak(policy, "anywhere", rule=rule)
        for entry in rule.get("from") or ():
            for leak in self._sorted(policy, entry)[1]:
                yield replace(leak, rule={**rule, "from": [entry]})

    def _blocks(self) -> Sequence[Mapping[str, Any]]:
        return [
            entry["ipBlock"]
            for _, rule in self._rules()
            for entry in rule.get("from") or ()
            if "ipBlock" in entry
        ]

    def _takes(self, leak: Leak, peer: Peer) -> bool | None:
        return decide([_alone(leak.rule)], self.pod, peer, self.port).allowed

    # -- one element -------------------------------------------------------------------------------

    def _sorted(self, policy: str, entry: Entry) -> tuple[Sequence[Entry], Sequence[Leak]]:
        """What of an element of `from` may stay, and what of it opens."""
        if "ipBlock" in entry:
            cidr = str(entry["ipBlock"]["cidr"])
            found = open_blocks(self._blocks(), families(self.pod), self.circle).get(cidr)
            if found is None:
                return [entry], []
            return [], [Leak(policy, "addresses", (cidr,), found.sure, found.whole)]
        selector = entry.get("namespaceSelector") or {}
        if "namespaceSelector" not in entry or not satisfiable(entry.get("podSelector") or {}, {}):
            return [entry], []
        if not satisfiable(selector, {}):
            return [entry], []
        if values_taken(selector, NAMESPACE_NAME) is not None:
            return self._of_names(policy, entry)
        leak = self._of_any_name(policy, selector)
        return ([], [leak]) if leak else ([entry], [])

    def _of_any_name(self, policy: str, selector: Mapping[str, Any]) -> Leak | None:
        keys = set(by_key(selector))
        owners = values_taken(selector, OWNER)
        if owners is not None and owners <= {owner_of(name) for name in self.circle.namespaces}:
            return None
        if not keys:
            return Leak(policy, "everybody")
        return Leak(policy, "labels", (written(selector),), sure=keys <= {NAMESPACE_NAME, OWNER})

    def _of_names(self, policy: str, entry: Entry) -> tuple[Sequence[Entry], Sequence[Leak]]:
        selector, pods = entry["namespaceSelector"], entry.get("podSelector") or {}
        others = self._others(selector)
        theirs = [name for name in others if self.circle.administrators(name)]
        people = [name for name in others if name not in theirs]
        narrow = any(values_taken(pods, key) is not None for key in by_key(pods))
        if not people and (narrow or not theirs):
            return [entry], []
        kept: list[Entry] = []
        named = values_taken(selector, NAMESPACE_NAME) or frozenset()
        if friends := sorted(named & self.circle.namespaces):
            kept.append({**entry, "namespaceSelector": _only(selector, friends)})
        if theirs:
            some = pods if narrow else {"matchLabels": _OPERATOR}
            kept.append({"namespaceSelector": _only(selector, theirs), "podSelector": some})
        sure = set(by_key(selector)) <= {NAMESPACE_NAME, OWNER}
        leaks = [Leak(policy, "namespaces", tuple(people), sure)] if people else []
        if theirs and not narrow:
            leaks.append(Leak(policy, "administrators", tuple(theirs), sure))
        return kept, leaks


def _alone(rule: Mapping[str, Any]) -> Policy:
    return {"metadata": {"name": ""}, "spec": {"podSelector": {}, "ingress": [rule]}}


def _only(selector: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """The same selector, for some of the namespaces that it names."""
    kept = [
        one for key, asked in by_key(selector).items() if key != NAMESPACE_NAME for one in asked
    ]
    if len(names) == 1:
        found: dict[str, Any] = {"matchLabels": {NAMESPACE_NAME: names[0]}}
        return {**found, "matchExpressions": kept} if kept else found
    return {
        "matchExpressions": [
            {"key": NAMESPACE_NAME, "operator": "In", "values": list(names)},
            *kept,
        ]
    }
