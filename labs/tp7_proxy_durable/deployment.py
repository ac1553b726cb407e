"""What is wrong with the relay's Deployment, as it is written and as its pods show it."""

from __future__ import annotations

import json
from dataclasses import replace

from checks.capabilities import Cluster
from checks.diagnosis.databases.relay_manifest import listens
from checks.diagnosis.workloads import deployments
from checks.diagnosis.workloads.deployments import Deployment
from checks.diagnosis.workloads.readiness import not_ready
from checks.facts import Pod
from checks.lesson import Wrong
from checks.objects.parts import written
from checks.verdict import Diagnostic

from . import lessons
from .relay import FILE, PROXY, relay
from .remedies import again, solution


def absent(cluster: Cluster) -> Wrong:
    """What there is instead of the Deployment, once it is known not to exist."""
    instead = deployments.instead(cluster, PROXY, lessons.ROLE)
    if instead is not None:
        return replace(instead, commands=(*instead.commands, *solution(cluster)))
    other = _socat_under_another_name(cluster)
    if not other:
        return lessons.NoDeployment(commands=solution(cluster))
    gone = f"kubectl delete deployment {other} -n {cluster.namespace} --cascade=foreground"
    return lessons.DeploymentUnderAnotherName(other=other, commands=(gone, *solution(cluster)))


def _socat_under_another_name(cluster: Cluster) -> str:
    """Name of a Deployment that runs socat, "" for none."""
    others = (
        one.name
        for one in cluster.deployments()
        if any("socat" in json.dumps(written(box)) for box in one.template.spec.lasting)
    )
    return next(others, "")


def floating_image(cluster: Cluster) -> lessons.FloatingImage | None:
    """None when another image can come under the name of none of its images."""
    floating = deployments.floating_image(relay(cluster))
    if floating is None:
        return None
    container, image, lacking = floating
    if "socat" not in image:
        return lessons.FloatingImage(
            container=container, image=image, lacking=lacking, commands=again(cluster)
        )
    lines = deployments.to_write(FILE, container, "image: alpine/socat:1.7.4.4")
    remedy = again(cluster)
    return lessons.FloatingSocat(
        container=container, image=image, lacking=lacking, lines=lines, commands=remedy
    )


def without_resources(cluster: Cluster) -> Diagnostic | None:
    """None when each of its containers says its CPU and memory, and their limits."""
    lacking = deployments.without_resources(cluster, relay(cluster), lessons.ROLE)
    if lacking is None:
        return None
    container, found = lacking
    return replace(
        found,
        fix=f"{found.fix} {lessons.THEN}",
        lines=deployments.to_write(FILE, container, deployments.RESOURCES),
        commands=again(cluster),
    )


def creation_refused(cluster: Cluster, found: Deployment) -> Diagnostic | None:
    """None unless the API server refuses to make its pods."""
    return deployments.creation_refused(cluster, found, lessons.APPLY, again(cluster), lessons.ROLE)


def pod_not_ready(cluster: Cluster, found: Deployment) -> Wrong | None:
    """None when all the pods that it has are ready."""
    for pod in found.pods:
        wrong = _serves_once(cluster, pod) or not_ready(cluster, pod, lessons.APPLY, again(cluster))
        if wrong is not None:
            return wrong
    return None


def _serves_once(cluster: Cluster, pod: Pod) -> lessons.ServesOnce | None:
    """A socat without `fork`, which the probe's own connection is enough to end."""
    for box in pod.containers:
        if box.exit_code == 0 and (not box.running or (box.restarts and _without_fork(pod))):
            return lessons.ServesOnce(
                container=box.name, pod=pod.name, restarts=box.restarts, commands=again(cluster)
            )
    return None


def _without_fork(pod: Pod) -> bool:
    return any("fork" not in one for one in listens(pod))
