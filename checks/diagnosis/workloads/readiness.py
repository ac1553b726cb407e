"""Why a pod is not ready, in the words of what the cluster answered."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import listeners
from checks.diagnosis.workloads import lessons
from checks.diagnosis.workloads.program_logs import Trouble, told
from checks.errors import CahierError
from checks.facts import Container, Pod
from checks.lesson import Lesson
from checks.objects.workloads import ResourceQuota
from checks.registries import unpulled_image
from checks.verdict import Diagnostic

_STARTING_SECONDS = 20  # a readiness probe that still fails after that is not a slow start
# nor after that, where the program has begun to serve, but not what the probe asks for
_STARTED_SECONDS = 5
_PULLING = ("ContainerCreating", "PodInitializing")
_NOT_STARTED = {"RunContainerError", "StartError", "ContainerCannotRun", "CreateContainerError"}
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


def not_ready(
    cluster: Cluster, pod: Pod, fix: str, commands: tuple[str, ...] = ()
) -> Diagnostic | None:
    """None when `pod` is ready; else why it is not. `fix` and `commands` are the lab's own way to
    make it anew."""
    if pod.ready and not pod.deleting:
        return None
    return _why(cluster, pod, fix, commands).told(cluster)


def _why(cluster: Cluster, pod: Pod, advice: str, commands: tuple[str, ...]) -> Lesson:
    if pod.deleting:
        gone = f"kubectl wait --for=delete pod/{pod.name} -n {pod.namespace} --timeout=60s"
        return lessons.BeingDeleted(pod=pod, advice=advice, commands=(gone, *commands))
    if pod.unschedulable:
        return lessons.NoNode(pod=pod, advice=advice, commands=commands)
    found = (_container(cluster, pod, box, advice, commands) for box in pod.containers)
    why = (
        next(filter(None, found), None)
        or _volume(cluster, pod, advice, commands)
        or _probe(cluster, pod, advice, commands)
    )
    if why is not None:
        return why
    ready = f"kubectl wait --for=condition=Ready pod/{pod.name} -n {pod.namespace} --timeout=60s"
    return lessons.NotYetReady(pod=pod, advice=advice, commands=(ready,), transient=True)


def never_admitted(cluster: Cluster) -> str:
    """Why a bare pod may never have come to be: a sentence, where a quota of the namespace has no
    room for one more, or refuses those that do not say what they want; "" elsewhere. `kubectl
    apply` had said so, nothing in the cluster does."""
    try:
        quotas = cluster.quotas()
    except CahierError:  # not ours to read: only a hint is lost
        return ""
    return next(filter(None, (*map(_reached, quotas), *map(_demanding, quotas))), "")


def _reached(quota: ResourceQuota) -> str:
    """What a quota says that has no room for one more pod, "" when it has."""
    for counted in ("pods", "count/pods"):
        used, hard = quota.status.used.get(counted, ""), quota.status.hard.get(counted, "")
        if used.isdigit() and hard.isdigit() and int(used) >= int(hard):
            return (
                f" Le quota « {quota.name} » de ce namespace est atteint ({counted} : {used} sur "
                f"{hard}) : un pod de plus y est refusé (« exceeded quota ») tant qu’aucun autre "
                "n’est supprimé."
            )
    return ""


def _demanding(quota: ResourceQuota) -> str:
    """What a quota says of pods that do not say what they want, "" for nothing."""
    names = sorted(quota.spec.hard)
    counted = [name for name in names if name.rpartition(".")[2] in ("cpu", "memory")]
    if not counted:
        return ""
    return (
        f" Le quota « {quota.name} » de ce namespace compte "
        f"{', '.join(counted)} : un pod dont un conteneur ne le dit pas y est refusé (« "
        "failed quota: … must specify »), à moins qu’un LimitRange n’y supplée."
    )


def _said(cluster: Cluster, pod: Pod, reason: str) -> str:
    """Newest event of the pod for this reason; "" when there is none."""
    messages = [event.message for event in cluster.events(pod.name) if event.reason == reason]
    return messages[-1].strip() if messages else ""


def _volume(cluster: Cluster, pod: Pod, advice: str, commands: tuple[str, ...]) -> Lesson | None:
    """A pod held back by a volume that cannot be mounted: a ConfigMap or Secret that does not
    exist."""
    if any(container.waiting_reason not in _PULLING for container in pod.containers):
        return None
    said = _said(cluster, pod, "FailedMount")
    if "not found" not in said:
        return None
    return lessons.MissingVolume(pod=pod, said=said, advice=advice, commands=commands)


def _probe(cluster: Cluster, pod: Pod, advice: str, commands: tuple[str, ...]) -> Lesson | None:
    """A pod whose containers run, but whose readiness probe fails."""
    if not all(container.running for container in pod.containers):
        return None
    said = _said(cluster, pod, "Unhealthy")
    if not said.startswith("Readiness"):
        return None
    seconds = _STARTED_SECONDS if _serves_otherwise(cluster, pod, said) else _STARTING_SECONDS
    settling = _runs_for_less_than(seconds, pod)
    return _kind_of_failure(said)(
        pod=pod, said=said, advice=advice, commands=commands, transient=settling
    )


def _kind_of_failure(said: str) -> type[lessons.ProbeFails]:
    if "refused" in said:
        return lessons.NothingListens
    return lessons.ProbeAnsweredByAnError if "statuscode" in said else lessons.ProbeFails


def _serves_otherwise(cluster: Cluster, pod: Pod, said: str) -> bool:
    """Whether the program serves already, elsewhere than where its readiness probe asks: waiting
    will not help."""
    if re.search(r"statuscode: 4\d\d", said):
        return True
    refused = re.search(r"dial tcp \S+:(\d+): connect: connection refused", said)
    if refused is None:
        return False
    with contextlib.suppress(CahierError):  # its image, or our rights, do not show it
        found = listeners(cluster, pod.name)
        return bool(found) and not any(
            one.port == int(refused[1]) and not one.on_loopback for one in found
        )
    return False


def _runs_for_less_than(seconds: int, pod: Pod) -> bool:
    return not pod.begun or (datetime.now(UTC) - max(pod.begun)).total_seconds() < seconds


def _container(
    cluster: Cluster, pod: Pod, box: Container, advice: str, commands: tuple[str, ...]
) -> Lesson | None:
    """Why one of its containers keeps a pod from being ready; None when it does not, or not yet."""
    given = _Given(pod, box, advice, commands)
    missing = box.waiting_reason == "CreateContainerConfigError"
    if box.waiting_reason in _IMAGE:
        return _image(given)
    if missing and "failed to sync" not in box.waiting_message:
        return given.told_as(lessons.MissingConfiguration)
    if not box.running and (never_ran := _never_ran(given)):
        return never_ran
    if box.terminated_reason and not box.running:
        return _ended(cluster, given)
    if missing or box.waiting_reason in (*_PULLING, ""):
        return None
    said = f"{box.waiting_reason} {box.waiting_message}".rstrip()
    return given.told_as(lessons.NotStarting, said=said)


@dataclass(frozen=True)
class _Given:
    """What the lessons of a container have in common."""

    pod: Pod
    box: Container
    advice: str
    commands: tuple[str, ...]

    def told_as(self, kind: type[lessons.ContainerNotReady], **found: Any) -> Lesson:
        """The lesson of that kind."""
        return kind(pod=self.pod, box=self.box, advice=self.advice, commands=self.commands, **found)


def _image(given: _Given) -> Lesson:
    refusal = unpulled_image(given.box.waiting_message)
    if refusal is None:
        return given.told_as(lessons.ImageNotPulled)
    return given.told_as(lessons.ImageRefused, why=refusal.cause, remedy=refusal.pod)


def _never_ran(given: _Given) -> Lesson | None:
    """None unless the runtime could not execute what the container names as its program."""
    box = given.box
    said = f"{box.waiting_message} {box.terminated_message}"
    found = re.search(r'exec: "((?:[^"\\]|\\.)*)": ([^:"]+(?:: [^:"]+)?)', said)
    if found is None or not {box.waiting_reason, box.terminated_reason} & _NOT_STARTED:
        return None
    program, why = found[1], found[2].strip()
    missing = "no such file" in why or "not found" in why
    state = lessons.NOT_IN_THE_IMAGE if missing else lessons.NOT_EXECUTABLE.format(why)
    kind = lessons.CommandNeverRan if box.command else lessons.NeverRan
    return given.told_as(kind, program=program, state=state)


def _ended(cluster: Cluster, given: _Given) -> Lesson:
    pod, box = given.pod, given.box
    log = cluster.logs(pod.name, 3, "" if box is pod.containers[0] else box.name)
    said = log.strip().replace("\n", " ⏎ ")
    return given.told_as(_kind_of_end(log), said=said or lessons.SILENCE)


def _kind_of_end(log: str) -> type[lessons.Ended]:
    """Why a program ended, as far as its log tells."""
    said = told(log)
    trouble = said.trouble if said else None
    if trouble is Trouble.UNKNOWN_PORT:
        return lessons.EndedWithoutThePort
    return lessons.EndedWithoutTheHost if trouble is Trouble.UNKNOWN_HOST else lessons.Ended
