"""The API of the lab: its pods, where its program listens, the tunnel that leads to it, and how it
is put right."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import listening
from checks.diagnosis.connections.tunnel import Tunnel
from checks.diagnosis.workloads.objects import maker
from checks.errors import Unverifiable
from checks.exchange.http import get
from checks.facts import ForwardRefused, Pod
from checks.shell import one_word

from . import lessons

API = "mon-api"
LABELS = {"app": API}
PORT = 8000
LOCAL_PORT = 1500


def labelled(cluster: Cluster) -> Sequence[Pod]:
    """The pods that bear the label, but those that are being deleted and those that another has
    replaced."""
    pods = [pod for pod in cluster.pods(LABELS) if not pod.deleting]
    return [pod for pod in pods if pod.phase not in ("Failed", "Succeeded")] or pods


def api_pods(cluster: Cluster) -> Sequence[Pod]:
    """The pods of the API, those that are ready first, once it is known that there are some. Raises
    Unverifiable when they have gone since."""
    pods = labelled(cluster)
    if not pods:
        raise Unverifiable(
            "Les pods de l’API ont disparu pendant la vérification.", "Relancez la vérification."
        )
    return sorted(pods, key=lambda pod: not pod.ready)


def require_opened(pod: Pod, refused: ForwardRefused) -> None:
    """Raise Unverifiable where it is not the pod that refused our own tunnel."""
    if "refused" not in str(refused):
        raise Unverifiable(
            f"Notre propre tunnel vers le pod {pod.name} n’a pas pu être ouvert : {refused}.",
            "Vérifiez vos droits : cahier verifier tp1",
        ) from None


def nothing_listens(cluster: Cluster, pod: Pod) -> lessons.NothingListens:
    """What tells that the pod refuses a connection to the port of the lab."""
    ports: Sequence[int] = ()
    with contextlib.suppress(Unverifiable):
        ports = sorted(listening(cluster, pod.name))
    remedy = again(cluster, pod)
    if not ports:  # the program may not have opened its port yet
        return lessons.NothingListens(pod=pod.name, commands=remedy, transient=True)
    return lessons.ListensElsewhere(pod=pod.name, ports=", ".join(map(str, ports)), commands=remedy)


def tunnel(cluster: Cluster) -> Tunnel:
    """The tunnel that the lab wants, from this machine to a pod of the API."""
    return Tunnel(
        local_port=cluster.local_port(LOCAL_PORT),
        pods=api_pods(cluster),
        port=PORT,
        speak=get,
        service=lessons.YOUR_API,
    )


def again(cluster: Cluster, *pods: Pod) -> tuple[str, ...]:
    """The common remedy: take away what is wrong, then apply the solution."""
    namespace = cluster.namespace
    makers = sorted({_maker(cluster, pod) for pod in pods} | {f"deployment/{API}"})
    return (
        *(f"kubectl delete {maker} -n {namespace} --ignore-not-found" for maker in makers),
        f"cahier solution tp2 --namespace {namespace} --appliquer",
        f"kubectl rollout status deployment/{API} -n {namespace} --timeout=90s",
    )


def _maker(cluster: Cluster, pod: Pod) -> str:
    """What to delete for this pod not to come back, be it the pod itself or the object that makes
    it anew."""
    kind, name = maker(cluster, pod)
    return f"{one_word(f'{kind}/{name}')} --now" if kind == "pod" else one_word(f"{kind}/{name}")
