"""The liveness and readiness probes of a container: what they are answered when they are played
now, by us."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import listening
from checks.errors import Unverifiable
from checks.exchange.http import NotHttp, get
from checks.facts import ForwardRefused, Pod
from checks.lesson import Lesson
from checks.objects.pods import ContainerSpec, HttpQuestion, ProbeSpec

from . import lessons
from .relay import PORT, PROXY
from .remedies import again, probed


def deadly_liveness(cluster: Cluster, pod: Pod) -> lessons.DeadlyLiveness | None:
    """None when no liveness probe of the pod fails."""
    found = _failing(cluster, pod)
    if found is None:
        return None
    return lessons.DeadlyLiveness(
        container=found.box.name,
        pod=pod.name,
        said=found.said,
        seconds=found.probe.patience,
        lines=probed(cluster, pod, "livenessProbe", found.box),
        commands=again(cluster),
        transient=not pod.ready,  # the program may not have opened its port yet
    )


class _Failing(NamedTuple):
    """A container, its probe that fails, and how."""

    box: ContainerSpec
    probe: ProbeSpec
    said: str


def _failing(cluster: Cluster, pod: Pod) -> _Failing | None:
    """The first container whose liveness probe fails; None when there is none."""
    for box, status in zip(pod.spec.lasting, pod.containers, strict=True):
        probe = box.liveness_probe
        if probe is None:
            continue
        said = _played(cluster, pod, box, probe) if status.running else None
        said = _killed(cluster, pod) if said is None else said
        if said:
            return _Failing(box, probe, said)
    return None


def useless_readiness(cluster: Cluster, pod: Pod) -> Lesson | None:
    """None when a readiness probe tells whether the pod serves; one that is a command is tried in a
    pod of ours where nothing listens."""
    boxes = pod.spec.lasting
    if not any(box.readiness_probe for box in boxes):
        written = probed(cluster, pod, "readinessProbe", boxes[0])
        return lessons.NoReadiness(pod=pod.name, lines=written, commands=again(cluster))
    for box in boxes:
        question = box.readiness_probe.exec if box.readiness_probe else None
        if question is not None and _hollow(cluster, question.command, f"{PROXY}:{PORT}"):
            return _always_succeeds(cluster, pod, box, question.command)
    return None


def _always_succeeds(
    cluster: Cluster, pod: Pod, box: ContainerSpec, command: Sequence[str]
) -> lessons.HollowReadiness:
    return lessons.HollowReadiness(
        container=box.name,
        command=" ".join(command),
        pod=pod.name,
        lines=probed(cluster, pod, "readinessProbe", box),
        commands=again(cluster),
    )


def _played(cluster: Cluster, pod: Pod, box: ContainerSpec, probe: ProbeSpec) -> str | None:
    """What a probe of the pod is answered when it is played now; "" when it succeeds, None when it
    cannot be played."""
    if probe.exec is not None:
        succeeds = _succeeds(cluster, pod.name, probe.exec.command, box.name)
        return "" if succeeds else lessons.COMMAND_FAILS
    question = probe.tcp_socket or probe.http_get
    if question is None or question.host:
        return None
    port = _number(pod, box.name, question.port)
    closed = lessons.NOTHING_LISTENS.format(port=question.port)
    if not isinstance(question, HttpQuestion):
        with contextlib.suppress(Unverifiable):
            return "" if port in listening(cluster, pod.name) else closed
    elif question.scheme == "HTTP":
        try:
            with cluster.forward(pod.name, port) as connection:
                answer = get(connection, question.path)
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
