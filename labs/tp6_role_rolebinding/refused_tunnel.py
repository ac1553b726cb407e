"""Why a colleague may not open a tunnel: the binding that misses them, else the role that misses
the right.

Read in the objects, once the API server has said no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import other_bases
from checks.diagnosis.rights.excess import Excess, beyond_a_tunnel
from checks.diagnosis.rights.leaks import leak, words
from checks.diagnosis.rights.people import Person
from checks.facts import OWNER_BINDING, Colleague
from checks.objects.rights import Binding, Rule, Subject

from . import lessons
from .shared_base import Refusal, invited, meant, refused, shared_again, shared_pods


def tunnel_refused(cluster: Cluster) -> lessons.TunnelRefused | None:
    """Why the first of those invited who has no tunnel to any base has none, and who else; None
    when each of them has one."""
    those = invited(cluster)
    out = [(one, person) for one, person in those if not shared_pods(cluster, person)]
    if not out:
        return None
    colleague, person = out[0]
    database, pod = meant(cluster)
    refusal = refused(cluster, person, pod)
    if refusal is None:
        return None
    why = why_not(cluster, colleague, refusal)
    bases = other_bases(cluster, database.release)
    unnamed = len(those) > 1 and isinstance(why, lessons.AnotherNamed)
    also = (
        lessons.LackedBy(user=person.user) if unnamed else "",
        _may_else(cluster, person),
        lessons.NoneOfTheOtherBases(bases=bases) if bases else "",
        lessons.SameRefusal(users=", ".join(one.user for one, _ in out[1:]))
        if len(out) > 1
        else "",
    )
    return replace(why, also="".join(map(str, also)), commands=shared_again(cluster))


def _may_else(cluster: Cluster, person: Person) -> lessons.MayElse | Literal[""]:
    """What somebody without a tunnel may do all the same; "" for nothing."""
    harm = beyond_a_tunnel(cluster, Excess.SECRET, Excess.INSIDE, Excess.CHANGE)
    found = leak(cluster, person, harm)
    return lessons.MayElse(right=words(cluster, found, harm)) if found and found.grants else ""


def why_not(cluster: Cluster, colleague: Colleague, refusal: Refusal) -> lessons.TunnelRefused:
    """The binding that misses the colleague, else the role that misses the right."""
    ours = [one for one in _bindings(cluster) if _names(one, "User", colleague.user)]
    if not ours:
        return _nobody_named(cluster, colleague)
    for one in ours:
        if one.role_kind == "ClusterRole":
            return lessons.ReadyMadeRole(refusal=refusal, binding=one.name, role=one.role)
        if one.role not in cluster.roles():
            return lessons.RoleGone(binding=one.name, role=one.role)
    theirs = {one.role for one in ours}
    return _lacking(
        {name: rules for name, rules in cluster.roles().items() if name in theirs}, refusal
    )


# -- the binding that misses the colleague ---------------------------------------------------------


def _bindings(cluster: Cluster) -> Sequence[Binding]:
    return [one for one in cluster.role_bindings() if one.name != OWNER_BINDING]


def _names(binding: Binding, kind: str, name: str) -> bool:
    return any((one.kind, one.name) == (kind, name) for one in binding.subjects)


def _nobody_named(cluster: Cluster, colleague: Colleague) -> lessons.TunnelRefused:
    """Whom the bindings name in the colleague's place."""
    for binding in _bindings(cluster):
        for subject in binding.subjects:
            found = _misnamed(cluster, colleague, binding.name, subject)
            if found is not None:
                return found
    others = sorted(
        {
            one.name
            for binding in _bindings(cluster)
            for one in binding.subjects
            if not _is_a_pod_of_ones_own(cluster, one)
        }
    )
    if others:
        return lessons.OthersNamed(user=colleague.user, others=", ".join(others))
    return lessons.NobodyNamed(user=colleague.user)


def _is_a_pod_of_ones_own(cluster: Cluster, subject: Subject) -> bool:
    """Whether a subject is the account of pods here: what a service of the platform, or its
    operator, binds for itself is not meant for anybody."""
    place = subject.namespace or cluster.namespace
    return subject.kind == "ServiceAccount" and place == cluster.namespace


def _misnamed(
    cluster: Cluster, colleague: Colleague, binding: str, subject: Subject
) -> lessons.TunnelRefused | None:
    """What a subject of a binding is, when it was meant for the colleague; None when it was not."""
    name, short = subject.name, colleague.namespace.removeprefix("user-")
    place = subject.namespace or cluster.namespace
    if subject.kind == "ServiceAccount" and (short in name or place == colleague.namespace):
        return lessons.AccountNamed(binding=binding, account=name, place=place)
    if subject.kind == "Group" and name in (colleague.user, colleague.namespace, short):
        return lessons.GroupNamed(binding=binding, group=name)
    if re.split(r"[-:@]", name.lower(), maxsplit=1)[-1] == short:
        return lessons.OtherNameWritten(binding=binding, name=name)
    return None


# -- the role that misses the right ----------------------------------------------------------------


def _lacking(roles: Mapping[str, Sequence[Rule]], refusal: Refusal) -> lessons.NoRule:
    """What the rules of these roles miss of one right."""
    names = lessons.AND.join(lessons.NAME.format(name) for name in roles)
    rules = [rule for some in roles.values() for rule in some]
    on_it = [rule for rule in rules if _takes(rule.resources, refusal.resource)]
    if not on_it:
        return _kind_of_no_rule(rules, refusal)(refusal=refusal, roles=names)
    with_verb = [rule for rule in on_it if _takes(rule.verbs, refusal.verb)]
    if not with_verb:
        verbs = _said(verb for rule in on_it for verb in rule.verbs)
        return lessons.OtherVerbs(refusal=refusal, roles=names, verbs=verbs)
    objects = _said(name for rule in with_verb for name in rule.resource_names)
    return lessons.OtherObjects(refusal=refusal, roles=names, names=objects)


def _kind_of_no_rule(rules: Sequence[Rule], refusal: Refusal) -> type[lessons.NoRule]:
    """How the rules, of which none is on the resource, miss it: they may name it otherwise."""
    if refusal.resource == "pods/portforward":
        if any(_takes(rule.resources, "services/portforward") for rule in rules):
            return lessons.RuleOnServices
        if any(_takes(rule.resources, "pods/*") for rule in rules):
            return lessons.RuleOnNothing
    return lessons.NoRule


def _takes(words: Sequence[str], wanted: str) -> bool:
    return not {wanted, "*"}.isdisjoint(words)


def _said(words: Iterable[str]) -> str:
    return ", ".join(map(lessons.NAME.format, words))
