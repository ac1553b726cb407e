"""How the relay comes back once it was broken on purpose, and why it does not.

What is broken is broken once for each version of the work, however often the runner asks.
"""

from __future__ import annotations

from functools import partial

from checks.capabilities import Cluster
from checks.diagnosis.workloads.readiness import not_ready
from checks.lesson import Wrong
from checks.objects.parts import named

from . import lessons
from .breakages import Stopped, Unreplaced, replaced, require_replacing, restarted
from .deployment import creation_refused
from .relay import PORT, PROXY, address, relay, serving, serving_port
from .remedies import again


def not_restarted(cluster: Cluster) -> Wrong | None:
    """None when a pod whose program was ended serves again. Raises Unverifiable where that cannot
    be tried."""
    return cluster.try_once(relay(cluster).version, _restarted)


def _restarted(cluster: Cluster) -> Wrong | None:
    pod = relay(cluster).pods[0]
    return restarted(
        cluster, pod, serving(cluster).get(pod.name, PORT), partial(_why_stopped, cluster)
    )


def _why_stopped(cluster: Cluster, stopped: Stopped) -> Wrong | None:
    if stopped.port_held:
        return lessons.PortHeld(
            pod=stopped.pod.name, said=stopped.port_held, commands=again(cluster)
        )
    return not_ready(cluster, stopped.pod, lessons.APPLY, again(cluster))


def not_replaced(cluster: Cluster) -> Wrong | None:
    """None when a pod that was deleted is replaced, and serves. Raises Unverifiable where that
    cannot be tried."""
    service = named(cluster.services(), PROXY)
    served_by = service.metadata.resource_version if service else ""
    try:
        cluster.try_once((relay(cluster).version, served_by), _replaced)
    except Unreplaced as missing:
        return _why_missing(cluster, missing)
    return None


def _replaced(cluster: Cluster) -> None:
    require_replacing(cluster)
    replaced(cluster, PROXY, address(cluster), serving_port(cluster))


def _why_missing(cluster: Cluster, missing: Unreplaced) -> Wrong:
    found = relay(cluster)
    reasons = [
        creation_refused(cluster, found),
        *(not_ready(cluster, pod, lessons.APPLY) for pod in found.pods),
    ]
    reason = next((one for one in reasons if one is not None), None)
    if reason is not None:
        return lessons.NotReplaced(lost=missing.lost.name, reason=reason, commands=again(cluster))
    said = missing.unreached or lessons.NO_ANSWER
    return lessons.ServiceLost(lost=missing.lost.name, said=said, commands=again(cluster))
