"""The colleague's tunnel, opened for real with their own access where it is at hand."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import PORT, server_in
from checks.diagnosis.rights.people import as_colleague, colleagues
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import ForwardRefused, Pod
from checks.lesson import Wrong

from . import lessons
from .shared_base import shared_pods


def tunnel_leads_elsewhere(cluster: Cluster) -> Wrong | None:
    """None when a real kubectl of the colleague's reaches the server of the base's own pod. Raises
    Unverifiable where their access is not at hand."""
    user = cluster.colleague.user
    theirs = as_colleague(cluster, cluster.colleague)
    pod = shared_pods(cluster, colleagues(cluster)[0])[0]
    if theirs is None:
        raise _of_another_machine(cluster, pod, user)
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


def _of_another_machine(cluster: Cluster, pod: Pod, user: str) -> Unverifiable:
    asked = lessons.AskForTheTunnel(pod=pod.name, port=PORT, namespace=cluster.namespace)
    return Unverifiable(str(lessons.TunnelOfAnotherMachine(user=user)), str(asked))
