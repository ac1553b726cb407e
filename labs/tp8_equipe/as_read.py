"""What the objects mean by themselves, where nothing can be tried, not even which pods relay the
base: it is enough to refuse, never to admit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import PORT
from checks.diagnosis.rights.team import members
from checks.errors import AccessError, ClusterLost, Unverifiable

from .admission import dressed, lacking
from .ways_in import Door, base

_T = TypeVar("_T")


def or_raise(ask: Callable[[Cluster], _T | None], cluster: Cluster, reason: Unverifiable) -> _T:
    """What `ask` finds. Raises `reason` where it finds nothing, or may not be told; and
    Unverifiable."""
    try:
        found = ask(cluster)
    except ClusterLost:
        raise
    except AccessError:
        raise reason from None
    if found is None:
        raise reason
    return found


def door(cluster: Cluster) -> Door:
    """The base itself, the only door that is known."""
    return Door(base(cluster)[1], PORT)


def by_network(cluster: Cluster) -> Sequence[str]:
    """The members who may come by the network, and not by a tunnel."""
    pod = base(cluster)[1]
    return [
        member
        for member in members(cluster)
        if lacking(cluster, member, pod)
        and dressed(cluster, pod, PORT, member)[1].allowed is not False
    ]
