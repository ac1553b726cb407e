"""Who enters by the network and is not of the team: through the base itself, or a pod that relays
it."""

from __future__ import annotations

from collections.abc import Sequence

from checks.capabilities import Cluster
from checks.diagnosis.policies.decision import Peer, decide
from checks.diagnosis.policies.explanations import missing, of_administrators
from checks.diagnosis.policies.other_enforcers import require_only_network_policies
from checks.diagnosis.policies.strangers import Kind, Leak
from checks.diagnosis.workloads.objects import maker
from checks.errors import Unverifiable
from checks.lesson import Clause, Lesson, Names
from checks.shell import thing

from . import as_read, lessons
from .closing import close, closed_but_to
from .leftovers import deleted_with
from .ways_in import Door, doors
from .ways_tried import Opening, by_itself, opened_to, require_enforcement
from .withdrawn import without_the_relay


def base_open_to_others(cluster: Cluster) -> Lesson | None:
    """How somebody outside the team reaches the base; None when nobody does. Raises
    Unverifiable."""
    try:
        door = doors(cluster)[0]
    except Unverifiable as reason:
        return as_read.or_raise(_base_open_as_read, cluster, reason)
    opening = opened_to(cluster, door)
    if opening is None:
        return None
    return _base_open(cluster, door, opening, close(cluster, door))


def _base_open_as_read(cluster: Cluster) -> Lesson | None:
    """The same as far as the policies of the base itself mean it, where nothing can be tried."""
    door = as_read.door(cluster)
    read = by_itself(cluster, door)
    selecting = decide(read.policies, door.pod, Peer(""), 0).selecting
    leaks = read.leaks()
    if selecting and not any(leak.sure for leak in leaks):
        return None
    require_enforcement(cluster, lessons.NONE_CLOSES)
    require_only_network_policies(cluster, lessons.ADMIT_OTHERS)
    remedy = closed_but_to(cluster, as_read.by_network(cluster))
    return _base_open(cluster, door, Opening("", leaks, selecting), remedy)


def _base_open(cluster: Cluster, door: Door, opening: Opening, commands: tuple[str, ...]) -> Lesson:
    return lessons.BaseOpen(
        entering=_entering(opening, door),
        through=_through(cluster, opening, door),
        commands=commands,
        transient=opening.settles,
    )


def relay_open_to_others(cluster: Cluster) -> Lesson | None:
    """The first pod that relays the base to somebody outside the team; None when none does. Raises
    Unverifiable."""
    for door in doors(cluster)[1:]:
        opening = opened_to(cluster, door)
        if opening is not None:
            return _relay_open(cluster, door, opening)
    return None


def _relay_open(cluster: Cluster, door: Door, opening: Opening) -> Lesson:
    gone = maker(cluster, door.pod)
    delete = f"kubectl delete {thing(*gone)} -n {cluster.namespace} --ignore-not-found"
    return lessons.RelayOpen(
        pod=door.pod.name,
        port=door.port,
        entering=_entering(opening, door),
        through=_through(cluster, opening, door),
        commands=(delete, *deleted_with(cluster, gone), *without_the_relay(cluster, gone)),
        transient=opening.settles,
    )


def _entering(opening: Opening, door: Door) -> Clause:
    """Who gets in, and how we know."""
    pod, port = door.pod.name, door.port
    if opening.stranger:
        return lessons.StrangerCameIn(stranger=opening.stranger, pod=pod, port=port)
    sure = [leak for leak in opening.leaks if leak.sure]
    if not opening.selecting or any(
        leak.kind not in ("namespaces", "administrators") for leak in sure
    ):
        return lessons.OpenToAll(pod=pod, port=port)
    people, theirs = _named(sure, "namespaces"), _named(sure, "administrators")
    if not theirs:
        return lessons.OpenToNamespaces(pod=pod, port=port, namespaces=people)
    administrators = of_administrators(theirs)
    if not people:
        return lessons.OpenToAdministrators(pod=pod, port=port, administrators=administrators)
    return lessons.OpenToBoth(pod=pod, port=port, namespaces=people, administrators=administrators)


def _named(leaks: Sequence[Leak], kind: Kind) -> Names:
    """What leaks of this kind name."""
    return Names(sorted({name for leak in leaks if leak.kind == kind for name in leak.what}))


def _through(cluster: Cluster, opening: Opening, door: Door) -> Clause:
    """What lets them in."""
    if opening.by:
        return lessons.ThroughPolicies(policies=Names(opening.by))
    if opening.selecting:
        return lessons.InSpiteOfPolicies(policies=", ".join(opening.selecting))
    meant = None if door.relay else missing(cluster.network_policies(), door.pod, cluster.pods())
    if meant is None:
        return lessons.WithoutPolicies()
    return lessons.MissedByAPolicy(policy=meant[0], fault=meant[1])
