"""The editor: a tunnel of the learner's to it, wherever that begins, and the program that it shows
behind a path prefix."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import (
    Tunnel,
    closing,
    leads_elsewhere,
    reaches,
    selected,
)
from checks.errors import Unverifiable
from checks.exchange.http import HttpAnswer, NotHttp, get
from checks.facts import ForwardCommand, ForwardRefused, Listener, Pod
from checks.lesson import Wrong, told

from . import front, lessons
from .front import EDITOR
from .trials import held
from .way import first_line

PROGRAM_PORT = 8501
PREFIX = f"/proxy/{PROGRAM_PORT}"
USUAL = 8081
"""Where the lab's page opens the tunnel; any other port does."""


def unfit(cluster: Cluster) -> Wrong | None:
    """None when its pods are ready, and there is one at least."""
    wrong = told(front.unfit(cluster, EDITOR), cluster)
    if wrong is None:
        return None
    return replace(wrong, commands=(*wrong.commands, *_reopened(cluster)))


def _again(cluster: Cluster) -> tuple[str, ...]:
    return (*front.again(cluster, EDITOR), *_reopened(cluster))


def _reopened(cluster: Cluster) -> tuple[str, ...]:
    """What follows all that changes its pod: a tunnel to the one before has to be opened anew."""
    held_by: list[Listener] = []
    with contextlib.suppress(Unverifiable):  # from afar, nobody sees the learner's machine
        open_ones = {*_local_ports(cluster)}
        held_by += [one for port in sorted(open_ones) for one in cluster.machine.listeners(port)]
    return (*closing(held_by), _opening(cluster, f"deployment/{EDITOR.name}"))


def not_opened(cluster: Cluster) -> Wrong | None:
    """None when a tunnel of the learner's leads to the editor."""
    found = _opened(cluster)
    if found.port is not None:
        return None
    command = _opening(cluster, f"pod/{_ready(cluster)[0].name}")
    return found.wrong or lessons.NoSecondTunnel(commands=(command,))


def _opening(cluster: Cluster, aimed: str) -> str:
    """The command that opens a tunnel, from a port that kubectl takes among those that are free."""
    return f"kubectl port-forward {aimed} :{EDITOR.listens} -n {cluster.namespace} &"


@dataclass(frozen=True)
class _Opened:
    """The local port of a tunnel to the editor; else what is wrong with one that should lead
    there, None where none should."""

    port: int | None
    wrong: Wrong | None = None


def _opened(cluster: Cluster) -> _Opened:
    return cluster.once(_look)


def _look(cluster: Cluster) -> _Opened:
    wrong: Wrong | None = None
    aimed = _local_ports(cluster)
    for port in aimed:
        found = leads_elsewhere(cluster, _tunnel(cluster, port))
        if found is None:
            return _Opened(port)
        wrong = wrong or found
    by_other_means = USUAL not in aimed and cluster.machine.listeners(USUAL)
    if by_other_means and any(_arrives(cluster, pod) for pod in _ready(cluster)):
        return _Opened(USUAL)
    return _Opened(None, wrong)


def _arrives(cluster: Cluster, pod: Pod) -> bool:
    """Whether a tunnel that is no kubectl's leads there."""
    try:
        return reaches(cluster, USUAL, pod, EDITOR.listens)
    except (OSError, Unverifiable):
        return False


def _local_ports(cluster: Cluster) -> Sequence[int]:
    """Where tunnels begin that should lead to the editor, those to its own port first."""
    aimed = [*_aimed(cluster)]
    pairs = [pair for forward in aimed for pair in forward.ports.items()]
    sure = [local for local, _ in sorted(pairs, key=lambda pair: pair[1] != EDITOR.listens)]
    return [*sure, *(local for forward in aimed for local in forward.named)]


def _aimed(cluster: Cluster) -> Iterator[ForwardCommand]:
    """The tunnels to what has the editor's pods, and those to its port in a pod that is gone."""
    names = {pod.name for pod in front.pods(cluster, EDITOR)}
    for forward in cluster.machine.forwards():
        if forward.namespace not in (cluster.namespace, ""):
            continue
        if forward.kind != "pod":
            meant = bool(names & {pod.name for pod in selected(cluster, forward)})
        else:
            gone = cluster.pod(forward.name) is None and EDITOR.listens in forward.ports.values()
            meant = forward.name in names or gone
        if meant:
            yield forward


def _ready(cluster: Cluster) -> Sequence[Pod]:
    """Its pods that are ready. Raises Unverifiable."""
    ready = [pod for pod in front.pods(cluster, EDITOR) if pod.ready]
    if not ready:
        raise Unverifiable(
            "Le pod de l’éditeur a cessé d’être prêt pendant la vérification.", "Relancez-la."
        )
    return ready


def _tunnel(cluster: Cluster, local_port: int) -> Tunnel:
    return Tunnel(local_port, _ready(cluster), EDITOR.listens, get, lessons.YOUR_EDITOR)


def program_refused(cluster: Cluster) -> Wrong | None:
    """None when the editor shows the program of its pod, and holds its WebSocket, behind the
    prefix."""
    port = _opened(cluster).port
    assert port is not None  # the check before
    try:
        with cluster.machine.connect(port) as connection:
            met = get(connection, f"{PREFIX}/")
    except (NotHttp, OSError) as silence:
        commands = _again(cluster)
        return lessons.SilentBehind(silence=str(silence), commands=commands, transient=True)
    own = [_own(cluster, pod, "/") for pod in _ready(cluster)]
    if met.body not in {one.body for one in own if one is not None}:
        return _astray(cluster, met, listens=any(one is not None for one in own))
    if met.status >= 400:
        return _refused(cluster, met)
    connect = partial(cluster.machine.connect, port)
    came = held(connect, "localhost", path=f"{PREFIX}/ws", browsers=1)
    if came.failure is None:
        return None
    return lessons.WebSocketBehind(failure=str(came.failure), commands=_again(cluster))


def _own(cluster: Cluster, pod: Pod, path: str) -> HttpAnswer | None:
    """What the program answers in its pod, through a tunnel of ours; None where nothing does."""
    try:
        with cluster.forward(pod.name, PROGRAM_PORT) as connection:
            return get(connection, path)
    except (NotHttp, ForwardRefused):
        return None


def _astray(cluster: Cluster, met: HttpAnswer, *, listens: bool) -> Wrong:
    lesson = lessons.AnotherBehind if listens else lessons.NothingBehind
    return lesson(status=met.status, said=first_line(met), commands=_again(cluster))


def _refused(cluster: Cluster, met: HttpAnswer) -> Wrong:
    """Why the program refuses what the editor asks of it."""
    with_prefix = _own(cluster, _ready(cluster)[0], f"{PREFIX}/")
    awaits_it = with_prefix is not None and with_prefix.status < 400
    lesson = lessons.PrefixAwaited if awaits_it else lessons.RefusedBehind
    return lesson(status=met.status, said=first_line(met), commands=_again(cluster))
