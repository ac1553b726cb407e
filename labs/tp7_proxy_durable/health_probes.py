"""The liveness and readiness probes of a container: what they are answered when they are played
now, by us."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import listening
from checks.errors import Unverifiable
from checks.exchange.http import NotHttp, get
from checks.facts import ForwardRefused, Pod, lasting_containers
from checks.lesson import Lesson

from . import lessons
from .relay import PORT, PROXY
from .remedies import again, probed


def deadly_liveness(cluster: Cluster, pod: Pod) -> lessons.DeadlyLiveness | None:
    """None when no liveness probe of the pod fails."""
    found = _failing(cluster, pod)
    if found is None:
        return None
    box, said = found
    return lessons.DeadlyLiveness(
        container=box["name"],
        pod=pod.name,
        said=said,
        seconds=_patience(box["livenessProbe"]),
        lines=probed(cluster, pod, "livenessProbe", box),
        commands=again(cluster),
        transient=not pod.ready,  # the program may not have opened its port yet
    )


def _failing(cluster: Cluster, pod: Pod) -> tuple[Mapping[str, Any], str] | None:
    """The first container, as its manifest gives it, whose liveness probe fails, and how; None when
    there is none."""
    for box, status in zip(lasting_containers(pod.raw["spec"]), pod.containers, strict=True):
        probe = box.get("livenessProbe")
        if not probe:
            continue
        said = _played(cluster, pod, box, probe) if status.running else None
        said = _killed(cluster, pod) if said is None else said
        if said:
            return box, said
    return None


def _patience(probe: Mapping[str, Any]) -> int:
    """Seconds of failures after which the kubelet acts on a probe."""
    return int(probe.get("periodSeconds", 10)) * int(probe.get("failureThreshold", 3))


def useless_readiness(cluster: Cluster, pod: Pod) -> Lesson | None:
    """None when a readiness probe tells whether the pod serves; one that is a command is tried in a
    pod of ours where nothing listens."""
    boxes = lasting_containers(pod.raw["spec"])
    probes = [(box, box["readinessProbe"]) for box in boxes if box.get("readinessProbe")]
    if not probes:
        written = probed(cluster, pod, "readinessProbe", boxes[0])
        return lessons.NoReadiness(pod=pod.name, lines=written, commands=again(cluster))
    for box, probe in probes:
        if "exec" in probe and _hollow(cluster, probe["exec"]["command"], f"{PROXY}:{PORT}"):
            return _always_succeeds(cluster, pod, box)
    return None


def _always_succeeds(cluster: Cluster, pod: Pod, box: Mapping[str, Any]) -> lessons.HollowReadiness:
    return lessons.HollowReadiness(
        container=box["name"],
        command=" ".join(box["readinessProbe"]["exec"]["command"]),
        pod=pod.name,
        lines=probed(cluster, pod, "readinessProbe", box),
        commands=again(cluster),
    )


def _played(
    cluster: Cluster, pod: Pod, box: Mapping[str, Any], probe: Mapping[str, Any]
) -> str | None:
    """What a probe of the pod is answered when it is played now; "" when it succeeds, None when it
    cannot be played."""
    if "exec" in probe:
        return (
            ""
            if _succeeds(cluster, pod.name, probe["exec"]["command"], box["name"])
            else lessons.COMMAND_FAILS
        )
    question = probe.get("tcpSocket") or probe.get("httpGet") or {"host": "elsewhere"}
    if question.get("host"):
        return None
    port = _number(pod, box["name"], question["port"])
    closed = lessons.NOTHING_LISTENS.format(port=question["port"])
    if "tcpSocket" in probe:
        with contextlib.suppress(Unverifiable):
            return "" if port in listening(cluster, pod.name) else closed
    elif question.get("scheme", "HTTP") == "HTTP":
        try:
            with cluster.forward(pod.name, port) as connection:
                answer = get(connection, question.get("path", "/"))
        except ForwardRefused:
            return closed
        except NotHttp as silence:
            return lessons.NO_HTTP.format(port=port, silence=silence)
        if not 200 <= answer.status < 400:
            return lessons.HTTP_REFUSAL.format(port=port, status=answer.status)
        return ""
    return None


def _hollow(cluster: Cluster, command: Sequence[str], target: str) -> bool:
    """Whether a probe's command succeeds in a pod of ours where nothing listens: then it says
    nothing of its pod.

    `target` (`host:port`) is what a client of the pod would ask for.
    """
    with cluster.probe([target]) as empty, contextlib.suppress(Unverifiable):
        return _succeeds(cluster, empty.name, command)
    return False


def _number(pod: Pod, container: str, port: int | str) -> int:
    """The number of a port that may be called by its name; 0 for a name that the container does not
    give."""
    box = next(one for one in pod.containers if one.name == container)
    return box.port_named(port) or 0


def _succeeds(cluster: Cluster, pod: str, command: Sequence[str], container: str = "") -> bool:
    """Whether a command succeeds in a pod. Raises Unverifiable where it cannot be told."""
    try:
        cluster.execute(pod, command, container)
    except Unverifiable as failure:
        if (
            "exit code" not in failure.message
            and "executable file not found" not in failure.message
        ):
            raise
        return False
    return True


def _killed(cluster: Cluster, pod: Pod) -> str:
    """The kubelet's own word on a liveness probe that has failed; "" when there is none."""
    said = [event.message for event in cluster.events(pod.name) if event.reason == "Unhealthy"]
    failed = [message for message in said if message.startswith("Liveness")]
    return failed[-1].partition(": ")[2].strip() if failed else ""
