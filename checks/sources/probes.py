"""Pods of ours that try a path for real, from where the traffic would come; removed on every exit
path.

Should we be killed, a probe ends by itself after two minutes, and the next run takes it away: at
once on the machine that placed it, elsewhere once it has surely ended. The policy of a probe
belongs to it: the cluster removes both.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from socket import SHUT_RDWR, socket
from typing import Any

from checks.access.answers import typed
from checks.access.kubernetes_api import Api, collection
from checks.errors import AccessError, Refused, Unverifiable
from checks.facts import PROBE_LABEL, ForwardRefused, Pod, ProbeTold
from checks.interruption import check, pause, too_late, undone
from checks.objects.pods import PodObject, PodStatus
from checks.process import OWNER, has_ended, is_here, mark, owner
from checks.waiting import Deadline, meanwhile, tries, waiting_for

IMAGE = "alpine/socat:1.7.4.4"  # the one that the labs use: often on the node already
_LIFE = 120  # seconds
_START = 45.0  # seconds: an image to pull
_CONNECT = 1.4  # seconds before a path counts as closed: its first packet is sent again after one
_OPENS = 1.5  # seconds for an echo server to open its port
_SETTLES = 3.0  # seconds: a policy takes effect on a new pod within one, on an idle machine
_GONE = 3.0  # seconds to take a probe away, should the first answers be bad
_MADE = 1.5  # seconds for a request that was cut to be carried out nevertheless
_OVER = timedelta(minutes=5)  # the longest that a run keeps a probe, with a wide margin
_PAUSE = 0.2
_FIRST_PORT = 6001
_ECHO = "PIPE"
_WORD = b"cahier"
# how socat writes what went well, then what did not
# (https://manpages.debian.org/bookworm/socat/socat.1.en.html, « diagnostics »)
_MADE_IT = " N starting data transfer loop "
_FAILED = re.compile(r" [WEF] ")
_LAST_WORDS = 3  # lines
_NEVER = "cahier-kubernetes/jamais"  # a condition that nobody ever says to be met
_NAME = "cahier-kubernetes/nom"  # label by which the policy of a probe chooses it
_CLOSED: Mapping[str, object] = {"policyTypes": ["Ingress"], "ingress": []}
_OPEN: Mapping[str, object] = {"policyTypes": ["Ingress"], "ingress": [{}]}
_FREE: Mapping[str, object] = {"policyTypes": ["Egress"], "egress": [{}]}
_HELD: Mapping[str, object] = {"policyTypes": ["Egress"], "egress": []}


@dataclass(frozen=True)
class Probe:
    """A running pod of ours, with a way to each of its targets."""

    api: Api
    namespace: str
    name: str
    ip: str
    ports: Mapping[str, int]

    @contextlib.contextmanager
    def connect(self, target: str) -> Iterator[socket]:
        """A connection to `target` as this pod makes it. Raises ForwardRefused.

        A target out of reach shows as a connection that closes without a word, `_CONNECT` seconds
        later at most.
        """
        before = self._told(target)
        with (
            self.api.forward(self.namespace, self.name, self.ports[target]) as end,
            _cut_once(end, lambda: self._told(target) not in (None, before))
            if before is not None
            else nullcontext(),
        ):
            yield end

    def _told(self, target: str) -> str | None:
        with contextlib.suppress(AccessError):  # the attempt itself matters more
            return self.said(target)
        return None

    def said(self, target: str) -> str:
        """What the attempt at `target` ended with, in socat's words."""
        return self.told(target).failure

    def told(self, target: str) -> ProbeTold:
        """The same, and how many connections to `target` were made, by its log."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/log"
        query = {"container": f"p{self.ports[target]}", "limitBytes": "65536"}
        log = self.api.text(path, query).splitlines()
        failures = [line for line in log if _FAILED.search(line)]
        return ProbeTold(
            made=sum(_MADE_IT in line for line in log),
            failure="\n".join(failures[-_LAST_WORDS:]),
        )


def _cut_once(end: socket, failed: Callable[[], bool]) -> contextlib.AbstractContextManager[None]:
    """Ends a connection as soon as its attempt is known to have `failed`: the node's own news of it
    comes a second later, for containerd waits so long for the other direction."""

    def look() -> bool:
        told = failed()
        if told:
            with contextlib.suppress(OSError):  # ended meanwhile
                end.shutdown(SHUT_RDWR)
        return told

    return meanwhile(_PAUSE, look)


@contextlib.contextmanager
def probe(
    api: Api,
    namespace: str,
    targets: Sequence[str],
    labels: Mapping[str, str] | None = None,
    rule: Mapping[str, object] | None = None,
    beside: Pod | None = None,
) -> Iterator[Probe]:
    """A pod in `namespace` that leads to each of `targets` (`host:port`). Raises Unverifiable.

    `rule`: what a NetworkPolicy of its own says of this pod alone; None: it has none. `beside`: it
    goes as this pod does, with its labels, and nothing takes it for that one.
    """
    sweep(api, namespace)
    pods, policies = collection("Pod", namespace), collection("NetworkPolicy", namespace)
    name = f"cahier-sonde-{uuid.uuid4().hex[:8]}"
    ports = {target: _FIRST_PORT + index for index, target in enumerate(dict.fromkeys(targets))}
    with contextlib.ExitStack() as made:
        body = _pod(name, ports, labels or {}) if beside is None else _beside(beside, name, ports)
        uid = made.enter_context(_made(api, pods, body))
        if rule is not None:
            made.enter_context(_made(api, policies, _policy(name, uid, rule)))
        with waiting_for(f"le démarrage d’une sonde dans {namespace} (pod {name})"):
            ip = _started(api, f"{pods}/{name}")
        yield Probe(api, namespace, name, ip, ports)


def enforces_policies(api: Api, namespace: str) -> bool:
    """Whether this cluster enforces NetworkPolicy at all: the control of every experiment about
    policies.

    Two echo servers of ours, the one closed by a policy, the other opened by one; a client tries
    both. Policies add up: where one of the namespace's own opens every pod in it, the closed server
    proves nothing, and a client that may not leave is tried instead. Raises Unverifiable when even
    the open server is out of reach.
    """
    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(2) as pool:
            entered = [
                pool.submit(stack.enter_context, probe(api, namespace, [_ECHO], rule=rule))
                for rule in (_OPEN, _CLOSED)
            ]
            opened, closed = (each.result() for each in entered)
        ways = [f"{server.ip}:{server.ports[_ECHO]}" for server in (opened, closed)]
        client = stack.enter_context(probe(api, namespace, ways, rule=_FREE))
        with ThreadPoolExecutor(2) as pool:
            reached, leaked = pool.map(lambda way: _echoes(client, way), ways)
        if reached and leaked:
            held = stack.enter_context(probe(api, namespace, ways[:1], rule=_HELD))
            leaked = _still_echoes(held, ways[0])
    if not reached:
        raise Unverifiable(
            "L’expérience témoin n’a pas abouti : deux pods d’ici ne se joignent pas, même sans "
            "interdiction.",
            "Relancez la commande ; si cela dure, le réseau des pods du cluster a un problème.",
        )
    return not leaked


def _echoes(client: Probe, target: str) -> bool:
    """Whether an echo comes back. A refusal is fast, and asked again: the server may be opening its
    port."""
    for _ in tries(_OPENS, _PAUSE, pause):
        with (
            contextlib.suppress(ForwardRefused, Unverifiable, OSError),
            client.connect(target) as connection,
        ):
            connection.sendall(_WORD)
            if connection.recv(len(_WORD)) == _WORD:
                return True
    return False


def _still_echoes(client: Probe, target: str) -> bool:
    """Whether an echo comes back even once the network has had the time to know this pod."""
    return all(_echoes(client, target) for _ in tries(_SETTLES, _PAUSE, pause))


def _pod(name: str, ports: Mapping[str, int], labels: Mapping[str, str]) -> dict[str, Any]:
    containers = [
        {
            "name": f"p{port}",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "args": [
                *("-d", "-d"),  # what goes well is told too
                f"TCP-LISTEN:{port},fork,reuseaddr",
                target if target == _ECHO else f"TCP:{target},connect-timeout={_CONNECT}",
            ],
            "resources": {
                "requests": {"cpu": "5m", "memory": "8Mi"},
                "limits": {"cpu": "200m", "memory": "32Mi"},
            },
        }
        for target, port in ports.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {**labels, PROBE_LABEL: "oui", _NAME: name},
            "annotations": {OWNER: mark()},
        },
        "spec": {
            "activeDeadlineSeconds": _LIFE,
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": containers,
        },
    }


def _beside(pod: Pod, name: str, ports: Mapping[str, int]) -> dict[str, Any]:
    """A probe that policies take for `pod`. It belongs to it, so that no ReplicaSet adopts it, and
    is never ready, so that no Service sends it a client."""
    found = _pod(name, ports, pod.labels)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
    found["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    found["spec"]["readinessGates"] = [{"conditionType": _NEVER}]
    return found


def _policy(name: str, pod: str, rule: Mapping[str, object]) -> dict[str, Any]:
    """The policy of the probe `name`, whose UID is `pod`: the cluster removes it with its pod."""
    owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pod}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": {PROBE_LABEL: "oui"}, "ownerReferences": [owner]},
        "spec": {"podSelector": {"matchLabels": {_NAME: name}}, **rule},
    }


_placed: set[str] = set()
"""Paths of what this process has placed, and has to take away."""


@contextlib.contextmanager
def _made(api: Api, path: str, body: Mapping[str, Any]) -> Iterator[str]:
    """The UID of an object that is made, and taken away with the context. Raises Unverifiable."""
    own = f"{path}/{body['metadata']['name']}"
    sure = False  # that it was made, or was not

    def remove() -> None:
        _delete(api, own, sure=sure)
        _placed.discard(own)

    check()
    with contextlib.ExitStack() as taken_away:
        _placed.add(own)
        taken_away.enter_context(undone(remove))
        try:
            uid = api.make(path, body)
        except Refused as refusal:
            sure = refusal.status < 500
            raise Unverifiable(
                f"Une sonde n’a pas pu être placée : {refusal.message}",
                "Libérez de la place si un quota est atteint : kubectl describe quota ; sinon "
                "vérifiez vos droits : cahier verifier tp1",
            ) from refusal
        sure = True
        yield uid


def _started(api: Api, path: str) -> str:
    """IP of the probe once its containers run."""
    status = PodStatus()
    for _ in tries(_START, 0.15, pause):
        status = typed(api.request("GET", path), PodObject).status
        states = status.container_statuses
        if states and all(one.ready for one in states) and status.ip:
            return status.ip
        if status.phase == "Failed":
            break
    waiting = (one.state.waiting for one in status.container_statuses)
    reasons = sorted({one.reason for one in waiting if one is not None and one.reason})
    reasons = reasons or [status.phase or "sans réponse"]
    raise Unverifiable(
        f"Une sonde n’a pas démarré ({', '.join(reasons)}) : son image est {IMAGE}.",
        "Relancez la commande dans un instant ; si cela dure, ce cluster ne peut pas télécharger "
        "cette image.",
    )


def _delete(api: Api, path: str, *, sure: bool = True) -> None:
    """Take away what is ours; asked again for a moment, so that one bad answer leaves nothing
    behind.

    `sure`: that it is there or is not; else the request that makes it may still be on its way.
    """
    gone, made = Deadline(_GONE), Deadline(_MADE)
    while True:
        try:
            there = api.remove(path, {"gracePeriodSeconds": 0})
        except AccessError:
            over = gone.passed
        else:
            over = there or sure or made.passed
        if over or too_late():
            return  # what is left, the next run sweeps
        time.sleep(_PAUSE)


def sweep(api: Api, namespace: str) -> None:
    """Take away the probes that runs which have ended left in a namespace, whosever they were.
    Raises nothing."""
    with contextlib.suppress(AccessError):
        clear(
            api,
            namespace,
            api.each(
                PodObject, "Pod", collection("Pod", namespace), {"labelSelector": PROBE_LABEL}
            ),
        )


def clear(api: Api, namespace: str, pods: Iterable[PodObject]) -> bool:
    """The same, of pods that are listed already; whether there were any such."""
    found = False
    for pod in pods:
        path = f"{collection('Pod', namespace)}/{pod.name}"
        with contextlib.suppress(AccessError):
            if PROBE_LABEL in pod.metadata.labels and _is_over(api, path, pod):
                found = True
                api.remove(path, {"gracePeriodSeconds": 0})
    return found


def _is_over(api: Api, path: str, pod: PodObject) -> bool:
    """Whether the run that placed this probe has surely ended; by the API server's clock, where
    only time tells."""
    whose = owner(pod.metadata.annotations)
    if is_here(whose):
        return has_ended(whose) or (whose == mark() and path not in _placed)
    if pod.status.reason == "DeadlineExceeded":
        return True
    now = api.clock()
    return now is not None and now - datetime.fromisoformat(pod.metadata.creation_timestamp) > _OVER
