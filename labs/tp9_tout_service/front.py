"""The dashboard, its relay and the editor: their pods, their Services, and how they are put
right."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import listening
from checks.diagnosis.policies.decision import Peer, decide
from checks.diagnosis.workloads import deployments
from checks.diagnosis.workloads.deployments import rolled_out
from checks.diagnosis.workloads.readiness import not_ready
from checks.errors import Unverifiable
from checks.facts import Pod
from checks.lesson import Wrong
from checks.objects.parts import named
from checks.objects.services import Service
from checks.shell import thing

from . import lessons
from .trials import Silence

PORT = 80


@dataclass(frozen=True)
class Role:
    """One of them: the name of its Deployment and of its Service, the label of its pods, its
    file."""

    name: str
    file: str
    said: str
    """What it is, in a sentence."""
    listens: int
    """Where it listens as the lab gives it."""

    @property
    def labels(self) -> dict[str, str]:
        """By which its pods are known."""
        return {"app": self.name}

    def address(self, cluster: Cluster) -> str:
        """As a client of any namespace may write it."""
        return f"{self.name}.{cluster.namespace}.svc:{PORT}"


FRONT = Role("tableau", "tableau.yaml", "le tableau de bord", 8501)
RELAY = Role("relais", "relais.yaml", "le relais", 8080)
EDITOR = Role("editeur", "editeur.yaml", "l’éditeur", 8080)


def pods(cluster: Cluster, role: Role) -> Sequence[Pod]:
    """Those that bear its label and stay, those that are ready first."""
    found = [pod for pod in cluster.pods(role.labels) if not pod.deleting]
    alive = [pod for pod in found if pod.phase not in ("Failed", "Succeeded")] or found
    return sorted(alive, key=lambda pod: not pod.ready)


def port(cluster: Cluster, pod: Pod, role: Role) -> int:
    """Where the pod listens, as it shows itself."""
    with contextlib.suppress(Unverifiable):
        found = listening(cluster, pod.name)
        return role.listens if role.listens in found or not found else min(found)
    return role.listens


def again(cluster: Cluster, role: Role, *, restarted: bool = False) -> tuple[str, ...]:
    """The common remedy: the solution, before which a Deployment is taken away where applying does
    not suffice. `restarted`: a program that changes is read by new pods only."""
    namespace = cluster.namespace
    gone = (
        ()
        if deployments.replaceable(cluster, role.name, role.labels)
        else (deployments.deleted(cluster, role.name),)
    )
    restart = f"kubectl rollout restart {thing('deployment', role.name)} -n {namespace}"
    return (
        *gone,
        f"cahier solution tp9 --namespace {namespace} --appliquer",
        *([restart] if restarted else []),
        rolled_out(cluster, FRONT.name),
        rolled_out(cluster, RELAY.name),
        *([rolled_out(cluster, EDITOR.name)] if role is EDITOR else []),
    )


def unfit(cluster: Cluster, role: Role) -> Wrong | None:
    """None when all its pods are ready, and there is one at least."""
    remedy, advice = again(cluster, role), lessons.APPLY.format(file=role.file)
    found = pods(cluster, role)
    if not found:
        keeper = named(cluster.deployments(), role.name)
        if keeper is not None:
            asleep = deployments.asleep(cluster, role.name, role.file, remedy)
            refused = deployments.creation_refused(
                cluster, deployments.find(cluster, role.name), advice, remedy
            )
            if asleep or refused:
                return asleep or refused
        return lessons.NoPod(role=role.said, name=role.name, file=role.file, commands=remedy)
    wrong = (not_ready(cluster, pod, advice, remedy) for pod in reversed(found))
    return next(filter(None, wrong), None)


def astray(cluster: Cluster, role: Role, met: Silence | None) -> Wrong | None:
    """Why the Service of its name does not lead to its pods; None when it does. `met`: what a
    client got instead of a connection, None where it got one."""
    service, remedy = named(cluster.services(), role.name), again(cluster, role)
    if service is None:
        return lessons.NoService(name=role.name, file=role.file, commands=remedy)
    if not any(one.port == PORT for one in service.spec.ports) and not service.is_headless:
        ports = ", ".join(str(one.port) for one in service.spec.ports)
        return lessons.NoSuchPort(name=role.name, ports=ports, file=role.file, commands=remedy)
    behind = _behind(cluster, service)
    ours = {pod.uid for pod in pods(cluster, role)}
    others = [name for uid, name in behind if uid not in ours]
    if others:
        return lessons.TakesAnotherPod(
            name=role.name, role=role.said, other=others[0], file=role.file, commands=remedy
        )
    if met is None:
        return None
    if not behind:
        return _selects_nobody(cluster, role, service)
    return _closed(cluster, role) or _refused(cluster, role, service, met)


def _behind(cluster: Cluster, service: Service) -> Sequence[tuple[str, str]]:
    """The pods to which it sends its clients, by uid and name, as the cluster worked it out."""
    return [
        (one.target_ref.uid, one.target_ref.name)
        for slice_ in cluster.endpoint_slices()
        if slice_.service == service.name
        for one in slice_.endpoints
        if one.is_ready
    ]


def _selects_nobody(cluster: Cluster, role: Role, service: Service) -> Wrong:
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(service.spec.selector.items()))
    return lessons.SelectsNobody(
        name=role.name,
        selector=wanted or lessons.NO_SELECTOR,
        label=f"app={role.name}",
        file=role.file,
        commands=again(cluster, role),
        transient=service.selects(pods(cluster, role)[0].labels),
    )


def _closed(cluster: Cluster, role: Role) -> Wrong | None:
    """None unless NetworkPolicies of the namespace keep its own pods out."""
    policies, client = cluster.network_policies(), Peer(cluster.namespace)
    found = [decide(policies, pod, client, port(cluster, pod, role)) for pod in pods(cluster, role)]
    names = sorted({name for one in found if one.allowed is False for name in one.selecting})
    if not names:
        return None
    gone = f"kubectl delete networkpolicy {' '.join(names)} -n {cluster.namespace}"
    return lessons.ClosedByPolicies(
        role=role.said, names=", ".join(names), name=role.name, commands=(gone,)
    )


def _refused(cluster: Cluster, role: Role, service: Service, met: Silence) -> Wrong:
    pod = pods(cluster, role)[0]
    entry = next((one for one in service.spec.ports if one.port == PORT), service.spec.ports[0])
    return lessons.WrongTarget(
        name=role.name,
        said=met.blocked,
        target=str(entry.target),
        pod=pod.name,
        heard=port(cluster, pod, role),
        file=role.file,
        commands=again(cluster, role),
    )
