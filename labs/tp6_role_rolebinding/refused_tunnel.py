"""Why a colleague may not open a tunnel: the binding that misses them, else the role that misses the right.

Read in the objects, once the API server has said no.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from checks.diagnosis.databases.catalogue import other_bases
from checks.diagnosis.rights.excess import Excess, beyond_a_tunnel
from checks.diagnosis.rights.leaks import leak, words
from checks.diagnosis.rights.people import Person, colleagues
from checks.diagnosis.workloads.objects import named
from checks.facts import OWNER_BINDING, Cluster, Colleague

from . import lessons
from .shared_base import Refusal, meant, refused, shared_again, shared_pods


def tunnel_refused(cluster: Cluster) -> lessons.TunnelRefused | None:
    """Why the first colleague without a tunnel to any base has none, and who else; None when each of them has one."""
    pairs = zip(cluster.colleagues, colleagues(cluster), strict=True)
    out = [(one, person) for one, person in pairs if not shared_pods(cluster, person)]
    if not out:
        return None
    colleague, person = out[0]
    database, pod = meant(cluster)
    refusal = refused(cluster, person, pod)
    if refusal is None:
        return None
    why = why_not(cluster, colleague, refusal)
    bases = other_bases(cluster, database.release)
    also = (
        _may_else(cluster, person),
        lessons.OTHER_BASES.format(bases=bases) if bases else "",
        lessons.SAME_REFUSAL.format(users=", ".join(one.user for one, _ in out[1:])) if len(out) > 1 else "",
    )
    return replace(why, also="".join(also), commands=shared_again(cluster))


def _may_else(cluster: Cluster, person: Person) -> str:
    """What somebody without a tunnel may do all the same, as a sentence; "" for nothing."""
    harm = beyond_a_tunnel(cluster, Excess.SECRET, Excess.INSIDE, Excess.CHANGE)
    found = leak(cluster, person, harm)
    return lessons.MAY_ELSE.format(right=words(cluster, found, harm)) if found and found.grants else ""


def why_not(cluster: Cluster, colleague: Colleague, refusal: Refusal) -> lessons.TunnelRefused:
    """The binding that misses the colleague, else the role that misses the right."""
    ours = [one for one in _bindings(cluster) if _names(one, "User", colleague.user)]
    if not ours:
        return _nobody_named(cluster, colleague)
    for binding in ours:
        name, reference = binding["metadata"]["name"], binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            return lessons.ReadyMadeRole(refusal=refusal, binding=name, role=reference["name"])
        if named(cluster, "Role", reference["name"]) is None:
            return lessons.RoleGone(binding=name, role=reference["name"])
    theirs = {one["roleRef"]["name"] for one in ours}
    return _lacking([one for one in cluster.objects("Role") if one["metadata"]["name"] in theirs], refusal)


# -- the binding that misses the colleague ----------------------------------------------------------------------------


def _bindings(cluster: Cluster) -> Sequence[Mapping[str, Any]]:
    return [one for one in cluster.objects("RoleBinding") if one["metadata"]["name"] != OWNER_BINDING]


def _names(binding: Mapping[str, Any], kind: str, name: str) -> bool:
    return any((one["kind"], one["name"]) == (kind, name) for one in binding.get("subjects") or ())


def _nobody_named(cluster: Cluster, colleague: Colleague) -> lessons.TunnelRefused:
    """Whom the bindings name in the colleague's place."""
    for binding in _bindings(cluster):
        for subject in binding.get("subjects") or ():
            found = _misnamed(cluster, colleague, binding["metadata"]["name"], subject)
            if found is not None:
                return found
    others = sorted({str(one["name"]) for item in _bindings(cluster) for one in item.get("subjects") or ()})
    if others:
        return lessons.OthersNamed(user=colleague.user, others=", ".join(others))
    return lessons.NobodyNamed(user=colleague.user)


def _misnamed(
    cluster: Cluster, colleague: Colleague, binding: str, subject: Mapping[str, Any]
) -> lessons.TunnelRefused | None:
    """What a subject of a binding is, when it was meant for the colleague; None when it was not."""
    name, short = subject["name"], colleague.namespace.removeprefix("user-")
    place = subject.get("namespace") or cluster.namespace
    if subject["kind"] == "ServiceAccount" and (short in name or place == colleague.namespace):
        return lessons.AccountNamed(binding=binding, account=name, place=place)
    if subject["kind"] == "Group" and name in (colleague.user, colleague.namespace, short):
        return lessons.GroupNamed(binding=binding, group=name)
    if re.split(r"[-:@]", name.lower(), maxsplit=1)[-1] == short:
        return lessons.OtherNameWritten(binding=binding, name=name)
    return None


# -- the role that misses the right -----------------------------------------------------------------------------------


def _lacking(roles: Sequence[Mapping[str, Any]], refusal: Refusal) -> lessons.NoRule:
    """What the rules of these roles miss of one right."""
    names = lessons.AND.join(lessons.NAME.format(one["metadata"]["name"]) for one in roles)
    rules = [rule for role in roles for rule in role.get("rules") or ()]
    on_it = _about(rules, "resources", refusal.resource)
    if not on_it:
        return _kind_of_no_rule(rules, refusal)(refusal=refusal, roles=names)
    with_verb = _about(on_it, "verbs", refusal.verb)
    if not with_verb:
        return lessons.OtherVerbs(refusal=refusal, roles=names, verbs=_said(on_it, "verbs"))
    return lessons.OtherObjects(refusal=refusal, roles=names, names=_said(with_verb, "resourceNames"))


def _kind_of_no_rule(rules: Sequence[Mapping[str, Any]], refusal: Refusal) -> type[lessons.NoRule]:
    """How the rules, of which none is on the resource, miss it: they may name it otherwise."""
    if refusal.resource == "pods/portforward":
        if _about(rules, "resources", "services/portforward"):
            return lessons.RuleOnServices
        if _about(rules, "resources", "pods/*"):
            return lessons.RuleOnNothing
    return lessons.NoRule


def _about(rules: Sequence[Mapping[str, Any]], part: str, wanted: str) -> Sequence[Mapping[str, Any]]:
    """The rules of which this part (`resources`, `verbs`) holds what is wanted, or everything."""
    return [rule for rule in rules if {wanted, "*"} & set(rule.get(part) or ())]


def _said(rules: Sequence[Mapping[str, Any]], part: str) -> str:
    """All that the rules write in this part."""
    return ", ".join(lessons.NAME.format(one) for rule in rules for one in rule.get(part) or ())
