"""What others may do beyond a tunnel to the base, withdrawn, and the tunnel given again where that
takes it too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import ready_pods
from checks.diagnosis.rights.excess import Excess, beyond_a_tunnel, kind_of, tunnel_to
from checks.diagnosis.rights.leaks import Concern, leaks, only_the_owner
from checks.diagnosis.rights.people import Person, colleagues, owns, people
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.team import is_member, persons
from checks.diagnosis.rights.wording import reaches_secrets
from checks.verdict import Diagnostic

from . import lessons
from .project import require_no_member
from .shared_base import ROLE, shared_again


def only_a_tunnel(cluster: Cluster, cause: str, *kinds: Excess) -> Diagnostic | None:
    """None when the guests have no right of these kinds beyond a tunnel; else what gives it,
    withdrawn, and what was asked for given again. Raises Unverifiable where a guest may own the
    namespace."""
    concern = beyond_a_tunnel(cluster, *kinds)
    found = only_the_owner(cluster, concern, cause, who=_guests(cluster), advice=lessons.TWO_RULES)
    if found is None:
        require_no_member(cluster)
        return None
    return _given_again(cluster, found)


def way_to_secrets(cluster: Cluster) -> Excess | None:
    """The kind of a right by which a guest has any Secret without reading it; None for none."""
    every = beyond_a_tunnel(cluster, Excess.INSIDE, Excess.CHANGE, Excess.OTHER)

    def broken_by(request: Request) -> Iterable[Request]:
        inside = kind_of(request) is Excess.INSIDE and request.subresource != "log"
        return every.broken_by(request) if inside or reaches_secrets(request) else ()

    found = leaks(cluster, _guests(cluster), Concern(broken_by))
    return kind_of(found[0].request) if found else None


def tunnel_of_the_uninvited(cluster: Cluster) -> Diagnostic | None:
    """None when nobody but the guests may open a tunnel to a base; else what gives it, withdrawn,
    and what was asked for given again: the learner's file may name the others too."""
    invited = {one.user for one in colleagues(cluster)}
    found = only_the_owner(
        cluster,
        tunnel_to(cluster, [pod.name for _, pod in ready_pods(cluster)]),
        lessons.ONLY_DOOR,
        who=[
            one
            for one in people(cluster)
            if one.user not in invited and not is_member(cluster, one)
        ],
        advice=lessons.ONLY_THE_INVITED,
    )
    return None if found is None else _given_again(cluster, found)


def _guests(cluster: Cluster) -> Sequence[Person]:
    """Those with whom the base is shared: the colleagues, and the team of lab 8 where one is
    declared."""
    given = {one.user for one in colleagues(cluster)}
    those = [*colleagues(cluster), *(one for one in persons(cluster) if one.user not in given)]
    return [one for one in those if not owns(cluster, one)]


def _given_again(cluster: Cluster, found: Diagnostic) -> Diagnostic:
    """What is withdrawn, and the lab's own binding given again: the learner's file says it too."""
    kept = (
        one for one in found.commands if not one.startswith(f"kubectl create rolebinding {ROLE} ")
    )
    return replace(found, commands=tuple(dict.fromkeys((*kept, *shared_again(cluster)))))
