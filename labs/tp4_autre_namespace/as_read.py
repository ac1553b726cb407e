"""What the policies mean by themselves, where no connection can be tried: it is enough to refuse,
never to admit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from checks.capabilities import Cluster
from checks.diagnosis.policies.other_enforcers import require_decided
from checks.errors import AccessError, ClusterLost, Unverifiable
from checks.lesson import Lesson, Names

from . import lessons
from .judged_base import NotEnforced, Seen, Subject, reading_of, seen, subjects
from .kept_out import not_admitted_as_read
from .let_in import opened_as_read
from .remedies import closed

_T = TypeVar("_T", bound=Lesson)


def tried(cluster: Cluster) -> Seen | Unverifiable:
    """What the connections found, or why none could be tried from here. Raises Unverifiable where
    the cluster enforces no policy."""
    try:
        return seen(cluster)
    except NotEnforced:
        raise
    except Unverifiable as reason:
        return reason


def own_namespace_kept_out(cluster: Cluster, reason: Unverifiable) -> Lesson:
    """How the policies keep the learner's own pods out. Raises `reason` where they do not."""
    return _against(cluster, reason, _own_namespace)


def colleague_kept_out(cluster: Cluster, reason: Unverifiable) -> Lesson:
    """How the policies keep the colleague out. Raises `reason` where they do not."""
    return _against(cluster, reason, not_admitted_as_read)


def others_let_in(cluster: Cluster, reason: Unverifiable) -> Lesson:
    """How the policies let others in. Raises `reason` where they do not."""
    return _against(
        cluster,
        reason,
        lambda cluster, subject: opened_as_read(cluster, subject, reading_of(cluster, subject)),
    )


def _against(
    cluster: Cluster, reason: Unverifiable, ask: Callable[[Cluster, Subject], _T | None]
) -> _T:
    """What `ask` finds of each of the databases: the one that is opened may be any. Raises `reason`
    where it finds nothing of one, or may not be told; and Unverifiable."""
    found: list[_T] = []
    try:
        for subject in subjects(cluster):
            wrong = ask(cluster, subject)
            if wrong is None:
                raise reason
            found.append(wrong)
    except ClusterLost:
        raise
    except AccessError:
        raise reason from None
    return found[0]


def _own_namespace(cluster: Cluster, subject: Subject) -> Lesson | None:
    if subject.own.allowed is not False:
        return None
    require_decided(cluster, cluster.namespace, admitted=False)
    return lessons.NotAdmittedAtHome(
        failing=lessons.NotAdmittedAsRead(place=cluster.namespace),
        closing=Names(subject.own.selecting),
        pod=subject.pod.name,
        commands=(closed(cluster, subject),),
    )
