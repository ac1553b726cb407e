"""A right or a relay withdrawn, and a tunnel given to the members who came in by it alone."""

from __future__ import annotations

from collections.abc import Sequence

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import PORT
from checks.diagnosis.rights.holdings import holding
from checks.diagnosis.rights.leaks import Concern, only_the_owner
from checks.diagnosis.rights.people import Person, opening_verbs
from checks.diagnosis.rights.rbac import Request, covers
from checks.diagnosis.rights.team import identities, members
from checks.diagnosis.rights.withdrawal import Grant
from checks.diagnosis.workloads.objects import Maker, maker
from checks.facts import Pod
from checks.verdict import Diagnostic

from .admission import dressed, lacking
from .shut_out import give_tunnel
from .ways_in import base, doors


def not_of(
    cluster: Cluster, who: Sequence[Person], concern: Concern, cause: str, advice: str
) -> Diagnostic | None:
    """Who has a right that they should not have, and how to withdraw it: the members keep their way
    in. None when nobody has."""

    def again(grants: Sequence[Grant]) -> Sequence[str]:
        pod = base(cluster)[1]
        out = (one for one in members(cluster) if _in_by_these_alone(cluster, one, pod, grants))
        return [command for member in out for command in give_tunnel(cluster, member)]

    return only_the_owner(cluster, concern, cause, who=who, advice=advice, again=again)


def without_the_relay(cluster: Cluster, gone: Maker) -> Sequence[str]:
    """The commands that give a tunnel to the members whom a relay, which is to be deleted, let in
    alone."""
    pod, rest = base(cluster)[1], [one for one in doors(cluster) if maker(cluster, one.pod) != gone]
    return [
        command
        for member in members(cluster)
        if not any(_keeps_a_tunnel(cluster, one, pod) for one in identities(cluster, member))
        and not any(dressed(cluster, one.pod, one.port, member)[1].allowed for one in rest)
        for command in give_tunnel(cluster, member)
    ]


def _in_by_these_alone(cluster: Cluster, member: str, pod: Pod, grants: Sequence[Grant]) -> bool:
    """Whether a member comes in by what is withdrawn, and by nothing else."""
    those = identities(cluster, member)
    if any(_keeps_a_tunnel(cluster, person, pod, grants) for person in those):
        return False
    by_network = dressed(cluster, pod, PORT, member)[1].allowed is True
    return not by_network and not lacking(cluster, member, pod)


def _keeps_a_tunnel(
    cluster: Cluster, person: Person, pod: Pod, grants: Sequence[Grant] = ()
) -> bool:
    """Whether what else is bound to somebody lets them read the pod and open a tunnel to it."""
    gone = {(one.binding, one.subject_kind, one.subject.partition("/")[0]) for one in grants}
    rules = [
        one.by.rule
        for one in holding(cluster, person).leads
        if one.by is not None
        and (one.by.binding.name, one.by.subject.kind, one.by.subject.name) not in gone
    ]
    opened = [Request(verb, "", "pods", "portforward", pod.name) for verb in opening_verbs(cluster)]
    needs = ([Request("get", "", "pods", name=pod.name)], opened)
    return all(any(covers(rule, one) for rule in rules for one in need) for need in needs)
