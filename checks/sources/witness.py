"""Leaves a receipt of the learner's own run in their namespace: what it found, and what ties it to
the place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from socket import socket
from typing import Any

from checks.access.answers import typed
from checks.diagnosis.connections.sockets import Connection, outgoing
from checks.errors import AccessError, CahierError, ClusterLost, Unverifiable, UsageError
from checks.exchange.http import NotHttp, get
from checks.exchange.postgres import refusal
from checks.facts import ForwardRefused, Pod
from checks.lab import Lab
from checks.objects.pods import PodObject
from checks.sources import breakage, probes
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.sources.receipts import (
    Doubtful,
    Overtaken,
    Place,
    Receipt,
    holding,
    manager,
    manifest,
    new_word,
    versions,
)
from checks.verdict import Status, Verdict
from checks.verification import Check
from checks.waiting import tries

_HEARD_SECONDS = 1.0  # a log shows a line within a tenth of a second
_PAUSE = 0.1
_LINES = 50
_REFUSED = "28"  # https://www.postgresql.org/docs/current/errcodes-appendix.html


class WatchedMachine(LocalMachine):
    """The learner's machine, which notes the local ports that each check has connected to."""

    def __init__(self) -> None:
        self.check = ""
        """The one that is being asked."""
        self.connected: set[tuple[str, int]] = set()

    def connect(self, port: int) -> socket:
        """A connection to `port`. Raises OSError."""
        connection = super().connect(port)
        self.connected.add((self.check, port))
        return connection


class WatchedCluster(LiveCluster):
    """The learner's cluster, which notes the pods that a check has looked into or connected to."""

    machine: WatchedMachine

    def __init__(self, **options: Any) -> None:
        super().__init__(WatchedMachine(), **options)
        self._swept = False
        self.touched: dict[str, Pod] = {}
        """By UID."""
        self.asked: set[str] = set()
        """Kinds of objects."""
        self.forwarded: set[tuple[str, int]] = set()
        """Checks, each with a port of a pod to which our own tunnel led."""

    def forget(self) -> None:
        """Begin a new run."""
        self.touched.clear()
        self.asked.clear()
        self.forwarded.clear()
        self.machine.connected.clear()

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        """Objects of a kind; before the first pods are looked at, what a killed run has left is
        taken away."""
        found = super()._listed(kind)
        if kind != "Pod" or self._swept:
            return found
        self._swept = True
        pods = [typed(item, PodObject) for item in found]
        left = [clear(self.api, self.namespace, pods) for clear in (probes.clear, breakage.clear)]
        return super()._listed(kind) if any(left) else found

    def begin(self, check: Check) -> None:
        """Note what follows as asked by that check."""
        self.machine.check = check.id

    def _touch(self, name: str) -> None:
        pod = self.pod(name)
        if pod is not None:
            self.touched[pod.uid] = pod

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace, as the API gives them."""
        self.asked.add(kind)
        return super().objects(kind)

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """Standard output of a command run in the pod."""
        self._touch(pod)
        return super().execute(pod, command, container)

    def repeated(
        self, pod: str, script: str, container: str = ""
    ) -> contextlib.AbstractContextManager[Callable[[], str]]:
        """The standard output of a script in the pod, each time that it is asked for."""
        self._touch(pod)
        return super().repeated(pod, script, container)

    def forward(self, pod: str, port: int) -> contextlib.AbstractContextManager[Any]:
        """Our own tunnel to a port of a pod."""
        self._touch(pod)
        self.forwarded.add((self.machine.check, port))
        return super().forward(pod, port)

    @contextlib.contextmanager
    def kubectl_forward(self, pod: str, port: int) -> Iterator[Any]:
        """A socket through a `kubectl port-forward` of this identity."""
        self._touch(pod)
        with super().kubectl_forward(pod, port) as connection:
            yield connection

    def delete_pod(self, name: str) -> None:
        """Delete a pod at once."""
        self._touch(name)
        super().delete_pod(name)

    def place(self) -> Place:
        """What the API server says of the namespace now. Raises AccessError."""
        self.refresh()
        return Place(self.namespace, self.namespace_uid, self.pods(), self._policies, self.heard)

    def _policies(self) -> Mapping[str, str]:
        return versions(self.network_policies())


def leave_receipt(cluster: WatchedCluster, lab: Lab, verdict: Verdict) -> str:
    """Write the receipt of a run that has just ended; why it could not be written, in French, ""
    when it was.

    None is left in somebody else's namespace, nor where nothing is right, nor in the place of one
    that says more. Raises nothing that is the cluster's trouble.
    """
    passed = {result.id for result in verdict.checks if result.status is Status.PASSED}
    try:
        if not passed or not _is_own(cluster):
            return ""
        by_policies = "NetworkPolicy" in cluster.asked
        place = cluster.place()
        if _is_worth_more(cluster, lab, place, verdict):
            return ""
        pods = _still_there(list(cluster.touched.values()), place.pods)
        word = new_word()
        _tell_the_colleague(cluster, lab, passed, pods, word)
        receipt = Receipt(
            lab=lab.name,
            namespace=cluster.namespace,
            namespace_uid=place.uid,
            checks={result.id: result.status for result in verdict.checks},
            pods={pod.name: pod.uid for pod in pods},
            policies=place.policies() if by_policies else None,
            word=word,
            heard_by=_heard_by(cluster, lab, passed, pods, word),
        )
        name = manifest(receipt)["metadata"]["name"]
        path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/{name}"
        query = {"fieldManager": manager(lab.name), "force": "true"}
        cluster.api.request(
            "PATCH",
            path,
            manifest(receipt),
            query=query,
            content_type="application/apply-patch+yaml",
        )
    except (ClusterLost, UsageError):  # the verdict has told it
        return ""
    except CahierError as trouble:
        return trouble.message
    return ""


def _is_own(cluster: LiveCluster) -> bool:
    """Whether the namespace is the learner's: its own binding says so, or else their context."""
    if cluster.in_own_service:
        return True
    with contextlib.suppress(AccessError):
        owner = cluster.owner
        if owner:
            return cluster.user == owner
    return cluster.namespace == cluster.credentials.namespace


def _is_worth_more(cluster: WatchedCluster, lab: Lab, place: Place, verdict: Verdict) -> bool:
    """Whether the receipt that is there is better left: it holds and says more, or it tells of work
    that was removed since and was worth more points. What it tells to be wrong, and can no longer
    be told, counts where nothing else differs."""
    points = {check.id: check.points for check in lab.checks}
    now = {result.id: result.status for result in verdict.checks}
    right, wrong = _of(now, Status.PASSED), _of(now, Status.FAILED)
    try:
        found = holding(cluster.receipts(), lab.name, place)
    except Overtaken as past:
        then = past.receipt.checks
        worth = sum(points.get(name, 0) for name in _of(then, Status.PASSED))
        as_much = sum(points[name] for name in right)
        return worth > as_much or (worth == as_much and _of(then, Status.FAILED) > wrong)
    except Doubtful:
        return False
    if found is None:
        return False
    then = found[0].checks
    known = _of(then, Status.PASSED)
    return known > right or (known == right and _of(then, Status.FAILED) > wrong)


def _of(statuses: Mapping[str, Status], status: Status) -> Set[str]:
    return {name for name, one in statuses.items() if one is status}


def _still_there(touched: Sequence[Pod], now: Sequence[Pod]) -> Sequence[Pod]:
    """Those of the pods that are there now; in the place of one that is gone, those that its maker
    made since."""
    alive = [pod for pod in now if not pod.deleting]
    uids = {pod.uid for pod in touched}
    kept = uids & {pod.uid for pod in alive}
    makers = {maker for pod in touched if pod.uid not in kept if (maker := _maker(pod))}
    return [pod for pod in alive if pod.uid in kept or _maker(pod) in makers]


def _maker(pod: Pod) -> str:
    return pod.given.metadata.controller_uid


def _heard_by(
    cluster: WatchedCluster, lab: Lab, passed: Set[str], pods: Sequence[Pod], word: str
) -> str:
    """Name of the pod whose log keeps a word that is said to it through the learner's tunnel; ""
    when none does.

    Nothing is said through a tunnel that no check that has `passed` went through: its silence has
    been waited for.
    """
    port = cluster.local_port(lab.about.port) if lab.about.port else 0
    if not lab.about.port_speaks or not any(
        (check, port) in cluster.machine.connected for check in passed
    ):
        return ""
    try:
        with cluster.machine.connect(port) as connection:
            connection.settimeout(8)
            _SPEAK[lab.about.port_speaks](connection, word)
    except OSError:
        return ""
    for _ in tries(_HEARD_SECONDS, _PAUSE):
        for pod in pods:
            if word in cluster.logs(pod.name, _LINES):
                return pod.name
    return ""


def _tell_the_colleague(
    cluster: WatchedCluster, lab: Lab, passed: Set[str], pods: Sequence[Pod], word: str
) -> None:
    """Say the word to the colleague's server through the pods that lead to it, as a check that has
    `passed` found: its log, which only the teacher reads, is not the learner's to write.

    A relay that authenticates its clients itself, such as a pooler, lets nothing through: a pod of
    ours then calls the server that it has joined.
    """
    if lab.about.heard_by != "colleague" or passed.isdisjoint(lab.about.heard):
        return
    ports = sorted({port for check, port in cluster.forwarded if check in passed})
    ways = [partial(cluster.forward, pod.name, port) for pod in pods for port in ports]
    for _ in tries(_HEARD_SECONDS, _PAUSE):  # a relay that was just replaced
        if any(_is_refused(way, word) for way in ways):
            return
    with contextlib.suppress(ForwardRefused, Unverifiable):
        joined = {_target(one) for pod in pods for one in outgoing(cluster, pod.name)}
        if joined:
            with cluster.probe(sorted(joined)) as probe:
                any(_is_refused(partial(probe.connect, one), word) for one in sorted(joined))


def _target(joined: Connection) -> str:
    host = f"[{joined.remote_address}]" if ":" in joined.remote_address else joined.remote_address
    return f"{host}:{joined.remote_port}"


def _is_refused(way: Callable[[], contextlib.AbstractContextManager[socket]], word: str) -> bool:
    """Whether a PostgreSQL at the end of the way has refused somebody called by the word."""
    with contextlib.suppress(OSError, ForwardRefused, Unverifiable), way() as connection:
        connection.settimeout(8)
        return _say_postgresql(connection, word).startswith(_REFUSED)
    return False


def _say_http(connection: socket, word: str) -> None:
    with contextlib.suppress(NotHttp):
        get(connection, f"/?cahier={word}")


def _say_postgresql(connection: socket, word: str) -> str:
    """Ask to enter as somebody who does not exist: PostgreSQL's log names whom it has refused. Its
    SQLSTATE."""
    code, _ = refusal(connection, f"cahier-{word}", word, "postgres")
    return code


_SPEAK = {"http": _say_http, "postgresql": _say_postgresql}
