"""What is broken on purpose, once, and watched until it has healed: a container's program, then a
whole pod.

These questions wait by themselves: what was broken must be seen to heal within the same question,
for the runner asks a question anew from its beginning, and would break it again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checks.capabilities import Cluster, Probe
from checks.diagnosis.connections.sockets import holder
from checks.diagnosis.databases.catalogue import server_in
from checks.diagnosis.databases.relays import answers_itself
from checks.diagnosis.workloads.deployments import creation_refused, find
from checks.errors import NotPermitted, Unverifiable
from checks.exchange.postgres import NotPostgres, PostgresServer, identify
from checks.facts import ForwardRefused, Pod
from checks.interruption import pause
from checks.lesson import Wrong
from checks.waiting import tries, waiting_for

from . import lessons

_RESTART_SECONDS = 30.0  # a container is restarted within one or two on an idle machine
_REPLACE_SECONDS = 45.0  # a new pod may have to pull its image
_REFUSED_SECONDS = 8.0  # a quota needs a moment to see that a pod has gone
_PAUSE = 0.3

# Ends the program of the container, be it process 1 itself or a child of a shell that waits for it.
_END = "kill -TERM 1; kill -TERM -1; sleep 1; kill -INT 1; sleep 1; kill -KILL -1"


def _watched(cluster: Cluster, seconds: float) -> Iterator[float]:
    """Look again at the cluster until `seconds` have passed; yields those that have."""
    for passed in tries(seconds, _PAUSE, pause):
        cluster.refresh()
        yield passed


@dataclass(frozen=True)
class Stopped:
    """A pod whose container did not come back. `port_held`: what it said of its port; "" for
    another reason."""

    pod: Pod
    port_held: str


def restarted(
    cluster: Cluster, pod: Pod, port: int, explain: Callable[[Stopped], Wrong | None]
) -> Wrong | None:
    """End the program of a relaying pod while a client is connected to `port`; None when it serves
    again.

    A pod that does not come back is explained, then replaced: nobody waits until its port is free.
    Raises Unverifiable when the program cannot be ended, or is not restarted in time; NotPermitted
    for want of a right.
    """
    require_replacing(cluster)
    before, container = sum(box.restarts for box in pod.containers), holder(cluster, pod, port)
    waited = waiting_for(lessons.AWAITED_RESTART.format(pod=pod.name))
    with cluster.breaking(pod.name) as well, waited:
        try:
            ended = _end_while_used(cluster, pod, port, container)
        except NotPermitted:  # nothing was broken
            well()
            raise
        if not ended:
            if _serves(cluster, pod, port):
                well()
            raise Unverifiable(
                f"Le programme du pod {pod.name} n’a pas pu être arrêté pour voir s’il reprend son "
                "port.",
                "Il faut pouvoir y exécuter « sh » (kubectl exec).",
            )
        for _ in _watched(cluster, _RESTART_SECONDS):
            now = cluster.pod(pod.name)
            if now is None:
                break
            if _serves(cluster, now, port):
                well()
                return None
            said = cluster.logs(pod.name, 3, container)
            if re.search(r"(?i)address (already )?in use", said):
                return explain(Stopped(now, said.strip().splitlines()[-1]))
            again = sum(box.restarts for box in now.containers) > before
            if again and any(box.waiting_reason for box in now.containers):
                return explain(Stopped(now, ""))
    raise Unverifiable(
        f"Le conteneur du pod {pod.name} n’a pas redémarré en {_RESTART_SECONDS:.0f} secondes.",
        "Le nœud est sans doute très occupé : relancez la commande dans un instant.",
    )


def require_replacing(cluster: Cluster) -> None:
    """Nothing is broken on purpose that we may not mend. Raises Unverifiable without the right to
    delete a pod."""
    if not cluster.may("delete", "pods").allowed:
        raise Unverifiable(
            "Il ne vous est pas permis de supprimer des pods dans ce namespace.",
            "Vérifiez : cahier verifier tp1",
        )


def _serves(cluster: Cluster, pod: Pod, port: int) -> bool:
    with contextlib.suppress(NotPostgres, ForwardRefused, Unverifiable):
        server_in(cluster, pod, port)
        return True
    return False


def _kill(cluster: Cluster, pod: Pod, container: str) -> None:
    """Raises NotPermitted."""
    try:
        cluster.execute(pod.name, ["sh", "-c", _END], container)
    except NotPermitted:
        raise
    except Unverifiable:  # the shell that kills is killed too
        pass


def _end_while_used(cluster: Cluster, pod: Pod, port: int, container: str) -> bool:
    """End the program of the pod's `container` while a client is connected; whether that client was
    cut."""
    served = False
    try:
        with cluster.forward(pod.name, port) as client:
            identify(client)
            served = True
            _kill(cluster, pod, container)
            return client.recv(1) == b""
    except TimeoutError:
        return False
    except (NotPostgres, ForwardRefused, OSError):
        return served


class Unreplaced(Exception):
    """A pod was deleted and not replaced. `unreached`: what our client said of the Service; "" for
    nothing."""

    def __init__(self, lost: Pod, unreached: str) -> None:
        super().__init__(lost.name)
        self.lost = lost
        self.unreached = unreached


def replaced(cluster: Cluster, name: str, target: str, port: int) -> None:
    """Delete a pod of the Deployment `name`, until another is ready, and the server behind `target`
    the same.

    `target` (`host:port`) is the Service, `port` that of the pods. A pooler answers for the server,
    under a fingerprint that may change with its pod. Raises Unreplaced, and Unverifiable when
    nothing answered there before.
    """
    lost = max(
        find(cluster, name).pods, key=lambda pod: sum(box.restarts for box in pod.containers)
    )
    with cluster.probe([target]) as probe:
        expected = _expected(cluster, probe, target)
        cluster.delete_pod(lost.name)
        with waiting_for(lessons.AWAITED_REPLACEMENT.format(pod=lost.name)):
            for passed in _watched(cluster, _REPLACE_SECONDS):
                now = find(cluster, name)
                back = [pod for pod in now.pods if pod.ready and pod.uid != lost.uid]
                answer = _answer(probe, target) if len(back) >= now.wanted else None
                if answer is not None and (
                    answer == expected or answers_itself(cluster, back[0], port)
                ):
                    return
                if passed > _REFUSED_SECONDS and creation_refused(cluster, now):
                    break
        unreached = probe.said(target)
    raise Unreplaced(lost, unreached)


def _expected(cluster: Cluster, probe: Probe, target: str) -> PostgresServer:
    """The server behind `target`, before anything is broken. Raises Unverifiable when none answers
    there."""
    expected = _answer(probe, target)
    if expected is None:  # the Service may still be following what the check before has restarted
        expected = next(
            (
                found
                for _ in _watched(cluster, _REFUSED_SECONDS)
                if (found := _answer(probe, target))
            ),
            None,
        )
    if expected is None:
        raise Unverifiable(
            f"{target} a cessé de répondre pendant la vérification.", "Relancez la commande."
        )
    return expected


def _answer(probe: Probe, target: str) -> PostgresServer | None:
    with (
        contextlib.suppress(NotPostgres, ForwardRefused, Unverifiable),
        probe.connect(target) as connection,
    ):
        return identify(connection)
    return None
