"""Why no pod is the API's: it goes away, is refused, is not asked for, or bears another label."""

from __future__ import annotations

from collections.abc import Sequence

from checks.capabilities import Cluster
from checks.diagnosis.workloads.deployments import woken
from checks.lesson import Lesson
from checks.objects.workloads import Workload

from . import lessons
from .api import API, LABELS, again


def why_absent(cluster: Cluster) -> Lesson:
    """What tells that no pod bears the label, once it is known."""
    leaving = [pod.name for pod in cluster.pods(LABELS)]
    if leaving:
        return lessons.BeingDeleted(pod=leaving[0], commands=again(cluster), transient=True)
    return (
        _refused(cluster)
        or _not_asked_for(cluster)
        or _under_another_label(cluster)
        or lessons.NoPod(commands=again(cluster))
    )


def _refused(cluster: Cluster) -> lessons.CreationRefused | None:
    """None unless the cluster refused to make the pods of a Deployment of the API: quota, unknown
    account, rule."""
    for found in _deployments(cluster):
        if (refused := found.refused) is not None:
            kind = _kind_of_refusal(refused.message)
            return kind(name=found.name, said=refused.message, commands=again(cluster))
    return None


def _kind_of_refusal(said: str) -> type[lessons.CreationRefused]:
    if "exceeded quota" in said:
        return lessons.QuotaExceeded
    if "failed quota" in said or "must specify" in said:
        return lessons.QuotaToBeSaid
    if "serviceaccount" in said:
        return lessons.UnknownAccount
    return lessons.CreationRefused


def _not_asked_for(cluster: Cluster) -> Lesson | None:
    """None unless a Deployment of the API asks for no pod, or has just been made."""
    for found in _deployments(cluster):
        if found.spec.replicas == 0:
            file = "mon-api.yaml" if found.name == API else ""
            lines, commands = woken(cluster, found, file, again(cluster))
            asleep = lessons.AsleepInItsFile if lines else lessons.Asleep
            return asleep(name=found.name, lines=lines, commands=commands)
        if not found.status.conditions:
            return lessons.JustMade(name=found.name, transient=True)
    return None


def _deployments(cluster: Cluster) -> Sequence[Workload]:
    """The Deployments whose pods would bear the label."""
    wanted = LABELS.items()
    return [one for one in cluster.deployments() if wanted <= one.template.labels.items()]


def _under_another_label(cluster: Cluster) -> lessons.OtherLabels | None:
    """None unless a pod looks like the API's without its label."""
    for pod in cluster.pods():
        named = pod.name == API or pod.name.startswith(f"{API}-")
        if pod.deleting or not (named or API in pod.labels.values()):
            continue
        labels = ", ".join(
            f"{key}={value}"
            for key, value in sorted(pod.labels.items())
            if key != "pod-template-hash"
        )
        return lessons.OtherLabels(
            pod=pod.name, labels=labels or lessons.NO_LABEL, commands=again(cluster, pod)
        )
    return None
