"""The tunnel of each of those invited, opened with their own access where it is at hand."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import PORT, server_in
from checks.diagnosis.rights.people import as_colleague
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import ForwardRefused, Pod
from checks.french import enumeration
from checks.lesson import Names, Wrong

from . import lessons
from .shared_base import invited, shared_pods


def tunnel_leads_elsewhere(cluster: Cluster) -> Wrong | None:
    """None when a real kubectl of each of them reaches the server of the base's own pod. Raises
    Unverifiable where the access of one who was given with --collegue is not at hand."""
    elsewhere = []
    for colleague, person in invited(cluster):
        pod, theirs = shared_pods(cluster, person)[0], as_colleague(cluster, colleague)
        if theirs is not None:
            wrong = _wrong_through(cluster, theirs, colleague.user, pod)
            if wrong is not None:
                return wrong
        elif colleague in cluster.colleagues:
            elsewhere.append((colleague.user, pod))
    if elsewhere:
        users, pods = zip(*elsewhere, strict=True)
        raise _of_other_machines(cluster, Names(users), pods[0])
    return None


def _wrong_through(cluster: Cluster, theirs: Cluster, user: str, pod: Pod) -> Wrong | None:
    """None when the tunnel that somebody opens leads to the server of that pod."""
    try:
        with theirs.kubectl_forward(pod.name, PORT) as connection:
            reached = identify(connection)
        own = server_in(cluster, pod)
    except (ForwardRefused, NotPostgres) as silence:
        said = str(silence)
        return lessons.NothingAtItsEnd(user=user, pod=pod.name, silence=said, transient=True)
    if reached == own:
        return None
    return lessons.AnotherServer(user=user, pod=pod.name, transient=True)


def _of_other_machines(cluster: Cluster, users: Names, pod: Pod) -> Unverifiable:
    why = lessons.TunnelOfAnotherMachine(who=enumeration(users), users=users)
    asked = lessons.AskForTheTunnel(
        users=users, pod=pod.name, port=PORT, namespace=cluster.namespace
    )
    return Unverifiable(str(why), str(asked))
