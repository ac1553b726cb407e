"""Whether the Service leads to the relay's pods, to all of them and to no other, as the cluster
worked it out."""

from __future__ import annotations

import json

from checks.capabilities import Cluster
from checks.diagnosis.databases.relays import refuses
from checks.diagnosis.workloads.deployments import Deployment, rolled_out
from checks.facts import Pod
from checks.lesson import Lesson
from checks.shell import one_word

from . import lessons
from .endpoints import Front, endpoints, others_leading_to
from .relay import PORT, PROXY, listened
from .remedies import again, exposed, service_again

_OWN_LABEL = {"relais": "durable"}
"""One that can set the relay's pods apart."""


def absent(cluster: Cluster, found: Deployment) -> lessons.NoService:
    """What tells that no Service has the relay's name."""
    others, written = others_leading_to(cluster, found, PORT), exposed(cluster, found.pods[0])
    if others:
        return lessons.ServiceUnderAnotherName(
            other=others[0], lines=written, commands=again(cluster)
        )
    return lessons.NoService(lines=written, commands=again(cluster))


def astray(cluster: Cluster, front: Front) -> Lesson | None:
    """None when the Service leads to the relay's pods, to all of them and to no other."""
    return (
        _selects_nothing(cluster, front)
        or _port_astray(cluster, front)
        or _leads_elsewhere(cluster, front)
        or _unlinked(cluster, front)
        or _closed_port(cluster, front)
    )


def _selects_nothing(cluster: Cluster, front: Front) -> Lesson | None:
    """None when the Service's selector takes the Deployment's pods."""
    pod, spec = front.behind.pods[0], front.service.spec
    selector = spec.selector
    missing = [f"{key}={value}" for key, value in selector.items() if pod.labels.get(key) != value]
    if selector and not missing:
        return None
    written, remedy = exposed(cluster, pod), service_again(cluster)
    if spec.type == "ExternalName":
        return lessons.OnlyAnotherName(host=spec.external_name, lines=written, commands=remedy)
    if not selector:
        return lessons.NoSelector(lines=written, commands=remedy)
    labels = ", ".join(
        f"{key}={value}" for key, value in sorted(pod.labels.items()) if key != "pod-template-hash"
    )
    return lessons.OtherLabels(
        wanted=", ".join(missing), labels=labels, lines=written, commands=remedy
    )


def _port_astray(cluster: Cluster, front: Front) -> Lesson | None:
    """None when the Service declares its clients' port, and a port of the pods behind it."""
    entry, pod = front.entry, front.behind.pods[0]
    if entry is None:
        opened = ", ".join(f"{one.port}/{one.protocol}" for one in front.service.spec.ports)
        written = exposed(cluster, pod)
        return lessons.PortNotOpened(opened=opened, lines=written, commands=service_again(cluster))
    if pod.port_named(entry.target, entry.protocol) is not None:
        return None
    return lessons.PortNameUnknown(
        port=str(entry.target), lines=exposed(cluster, pod), commands=service_again(cluster)
    )


def _leads_elsewhere(cluster: Cluster, front: Front) -> lessons.TakesAnotherPod | None:
    """None when the Service sends clients to no other pod than the Deployment's."""
    ours = {pod.uid for pod in front.behind.pods}
    others = [
        one.pod for one in endpoints(cluster, front) if one.uid not in ours and cluster.pod(one.pod)
    ]
    if not others:
        return None
    name, other = others[0], cluster.pod(others[0])
    selector = ", ".join(f"{key}={value}" for key, value in front.service.spec.selector.items())
    if other is not None and other.name == PROXY and other.controller is None:
        gone = f"kubectl delete pod {name} -n {cluster.namespace} --now"
        return lessons.TakesTheBarePod(pod=name, selector=selector, commands=(gone,))
    return lessons.TakesAnotherPod(pod=name, selector=selector, commands=_set_apart(cluster, front))


def _set_apart(cluster: Cluster, front: Front) -> tuple[str, ...]:
    """The commands that give the Deployment's pods a label of their own, which the Service then
    asks for."""
    place, wanted = cluster.namespace, {**front.service.spec.selector, **_OWN_LABEL}
    change = {"spec": {"template": {"metadata": {"labels": _OWN_LABEL}}}}
    marked = one_word(json.dumps(change, separators=(",", ":")))
    chosen = one_word(",".join(f"{key}={value}" for key, value in wanted.items()))
    return (
        f"kubectl patch deployment {PROXY} -n {place} -p {marked}",
        rolled_out(cluster, PROXY),
        f"kubectl set selector service {PROXY} -n {place} {chosen}",
    )


def _unlinked(cluster: Cluster, front: Front) -> lessons.NotYetLinked | None:
    """None when the Service sends clients to every pod of the Deployment, and only there."""
    linked = {one.uid for one in endpoints(cluster, front)} == {
        pod.uid for pod in front.behind.pods
    }
    return None if linked else lessons.NotYetLinked(transient=True)


def _closed_port(cluster: Cluster, front: Front) -> lessons.ClosedPort | None:
    """None when something listens, in every pod, on the port to which the Service sends its
    clients."""
    found = _refusing(cluster, front)
    if found is None:
        return None
    pod, port = found
    heard, written, remedy = listened(cluster, pod), exposed(cluster, pod), service_again(cluster)
    if heard == port:  # the container may be restarting
        return lessons.ClosedPort(
            port=port, pod=pod.name, lines=written, commands=remedy, transient=True
        )
    return lessons.ListensElsewhere(
        port=port, pod=pod.name, heard=heard, lines=written, commands=remedy
    )


def _refusing(cluster: Cluster, front: Front) -> tuple[Pod, int] | None:
    """The first pod of the Deployment that refuses the Service's clients, and their port; None when
    none does."""
    ours = {pod.uid: pod for pod in front.behind.pods}
    reached = [one for one in endpoints(cluster, front) if one.uid in ours]
    return next(
        ((ours[one.uid], one.port) for one in reached if refuses(cluster, one.pod, one.port)), None
    )
