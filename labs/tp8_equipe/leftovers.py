"""What serves nothing any more in a namespace: ended pods, and rights, Services or policies without
effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.workloads.objects import Maker, maker
from checks.lesson import Clause, Lesson
from checks.objects.labels import LabelSelector
from checks.shell import thing

from . import lessons


@dataclass(frozen=True)
class Leftover:
    """An object to delete: what is wrong with it (`said`), and what a reader would believe of it
    (`cause`)."""

    kind: str
    name: str
    said: Clause
    cause: str


def left_behind(cluster: Cluster) -> Lesson | None:
    """What serves nothing any more, all at once; None when there is nothing."""
    left = [*_pods(cluster), *_bindings(cluster), *_idle(cluster, _labels(cluster))]
    if not left:
        return None
    return lessons.LeftBehind(
        left=" ; ".join(str(one.said) for one in left),
        causes=" ".join(dict.fromkeys(one.cause for one in left)),
        commands=tuple(_deletion(cluster, one) for one in left),
        look_first=tuple(
            dict.fromkeys(f"kubectl get {one.kind} -n {cluster.namespace}" for one in left)
        ),
    )


def deleted_with(cluster: Cluster, gone: Maker) -> Sequence[str]:
    """The commands that delete, beside what makes pods, what served these pods alone."""
    idle = {(one.kind, one.name) for one in _idle(cluster, _labels(cluster))}
    then = _idle(cluster, _labels(cluster, without=gone))
    return [_deletion(cluster, one) for one in then if (one.kind, one.name) not in idle]


def _deletion(cluster: Cluster, one: Leftover) -> str:
    place = f"-n {cluster.namespace}"
    return f"kubectl delete {thing(one.kind, one.name)} {place} --ignore-not-found"


def _pods(cluster: Cluster) -> Iterator[Leftover]:
    """Pods that have ended, and that nothing made."""
    for pod in cluster.pods():
        if pod.phase in ("Succeeded", "Failed") and not pod.given.metadata.owner_references:
            ended = lessons.EndedPod if pod.phase == "Succeeded" else lessons.FailedPod
            yield Leftover("pod", pod.name, ended(name=pod.name), lessons.PODS_COUNT)


def _bindings(cluster: Cluster) -> Iterator[Leftover]:
    """RoleBindings of no role, or of nobody."""
    existing = cluster.roles()
    for binding in cluster.role_bindings():
        name = binding.name
        said: Clause | None = None
        if binding.role_kind == "Role" and binding.role not in existing:
            said = lessons.BindingOfNoRole(name=name, role=binding.role)
        elif not binding.subjects:
            said = lessons.BindingOfNobody(name=name)
        if said is not None:
            yield Leftover("rolebinding", name, said, lessons.BINDINGS_WAKE)


def _idle(cluster: Cluster, pods: Sequence[Mapping[str, str]]) -> Iterator[Leftover]:
    """Services and NetworkPolicies that choose no pod of these labels."""
    yield from _services(cluster, pods)
    yield from _policies(cluster, pods)


def _services(cluster: Cluster, pods: Sequence[Mapping[str, str]]) -> Iterator[Leftover]:
    """Services whose selector chooses none of these pods."""
    for service in cluster.services():
        name, wanted = service.name, service.spec.selector
        if (
            wanted
            and not _managed(service.metadata.labels)
            and not any(map(LabelSelector(wanted).selects, pods))
        ):
            yield Leftover(
                "service", name, lessons.ServiceOfNoPod(name=name), lessons.SERVICES_DECEIVE
            )


def _policies(cluster: Cluster, pods: Sequence[Mapping[str, str]]) -> Iterator[Leftover]:
    """NetworkPolicies that choose none of these pods."""
    for policy in cluster.network_policies():
        chooses = policy.spec.pod_selector.selects
        if not _managed(policy.metadata.labels) and not any(map(chooses, pods)):
            said = lessons.PolicyOfNoPod(name=policy.name)
            yield Leftover("networkpolicy", policy.name, said, lessons.POLICIES_REASSURE)


def _managed(labels: Mapping[str, str]) -> bool:
    """Whether the catalogue looks after what carries these labels."""
    return "app.kubernetes.io/managed-by" in labels or "app.kubernetes.io/instance" in labels


def _labels(cluster: Cluster, without: Maker | None = None) -> Sequence[Mapping[str, str]]:
    """The labels of each pod, and of those that a Deployment could make; `without` what is to be
    deleted."""
    pods = [
        pod.labels for pod in cluster.pods() if without is None or maker(cluster, pod) != without
    ]
    made = [
        one.template.labels
        for one in cluster.deployments()
        if Maker("deployment", one.name) != without
    ]
    return [*pods, *made]
