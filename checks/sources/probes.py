"""Pods of ours that try a path for real, from where the traffic would come; removed on every exit path.

Every probe is labelled, ends by itself after two minutes should we be killed, and is then swept by the next one.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from socket import SHUT_RDWR, socket
from typing import Any

from checks.access.kubernetes_api import Api, collection
from checks.errors import AccessError, Refused, Unverifiable
from checks.facts import PROBE_LABEL, ForwardRefused

IMAGE = "alpine/socat:1.7.4.4"  # the one that the labs use: often on the node already
_LIFE = 120  # seconds
_START = 45.0  # seconds: an image to pull
_CONNECT = 1.4  # seconds before a path counts as closed: its first packet is sent again after one
_SETTLES = 3.0  # seconds: a policy takes effect on a new pod within one, on an idle machine
_GONE = 3.0  # seconds to take a probe away, should the first answers be bad
_PAUSE = 0.2
_FIRST_PORT = 6001
_ECHO = "PIPE"
_WORD = b"cahier"


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

        A target out of reach shows as a connection that closes without a word, `_CONNECT` seconds later at most.
        """
        before = self._told(target)
        with (
            self.api.forward(self.namespace, self.name, self.ports[target]) as end,
            _cut_once(end, lambda: self._told(target) not in (None, before)) if before is not None else nullcontext(),
        ):
            yield end

    def _told(self, target: str) -> str | None:
        with contextlib.suppress(AccessError):  # the attempt itself matters more
            return self.said(target)
        return None

    def said(self, target: str) -> str:
        """What the attempt at `target` ended with, in socat's words."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/log"
        return self.api.text(path, {"container": f"p{self.ports[target]}", "tailLines": "3", "limitBytes": "65536"})


@contextlib.contextmanager
def _cut_once(end: socket, failed: Callable[[], bool]) -> Iterator[None]:
    """Ends a connection as soon as its attempt is known to have `failed`: the node's own news of it comes a second
    later, for containerd waits so long for the other direction."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PAUSE):
            if failed():
                with contextlib.suppress(OSError):  # ended meanwhile
                    end.shutdown(SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextlib.contextmanager
def probe(api: Api, namespace: str, targets: Sequence[str], labels: Mapping[str, str] | None = None) -> Iterator[Probe]:
    """A pod in `namespace` that leads to each of `targets` (`host:port`). Raises Unverifiable."""
    _sweep(api, namespace)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    name = f"cahier-sonde-{uuid.uuid4().hex[:8]}"
    ports = {target: _FIRST_PORT + index for index, target in enumerate(dict.fromkeys(targets))}
    with _removed(api, f"{pods}/{name}"):
        _make(api, pods, _pod(name, ports, labels or {}))
        yield Probe(api, namespace, name, _started(api, f"{pods}/{name}"), ports)


def enforces_policies(api: Api, namespace: str) -> bool:
    """Whether this cluster enforces NetworkPolicy at all: the control of every experiment about policies.

    Two echo servers of ours, the one closed by a policy, the other opened by one; a client tries both. Policies add
    up: where one of the namespace's own opens every pod in it, the closed server proves nothing, and a client that
    may not leave is tried instead. Raises Unverifiable when even the open server is out of reach.
    """
    run = uuid.uuid4().hex[:8]
    policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    roles = {"closed": {"cahier-kubernetes/role": f"closed-{run}"}, "open": {"cahier-kubernetes/role": f"open-{run}"}}
    rules: Mapping[str, Mapping[str, object]] = {
        "closed": {"policyTypes": ["Ingress"], "ingress": []},
        "open": {"policyTypes": ["Ingress"], "ingress": [{}]},
        "client": {"policyTypes": ["Egress"], "egress": [{}]},
        "held": {"policyTypes": ["Egress"], "egress": []},
    }
    roles |= {role: {"cahier-kubernetes/role": f"{role}-{run}"} for role in ("client", "held")}
    with contextlib.ExitStack() as stack:
        for role, rule in rules.items():
            name = f"cahier-sonde-{role}-{run}"
            stack.enter_context(_removed(api, f"{policies}/{name}"))
            _make(api, policies, _policy(name, roles[role], rule))
        with ThreadPoolExecutor(2) as pool:
            entered = [
                pool.submit(stack.enter_context, probe(api, namespace, [_ECHO], roles[role]))
                for role in ("open", "closed")
            ]
            opened, closed = (each.result() for each in entered)
        ways = [f"{server.ip}:{server.ports[_ECHO]}" for server in (opened, closed)]
        client = stack.enter_context(probe(api, namespace, ways, roles["client"]))
        with ThreadPoolExecutor(2) as pool:
            reached, leaked = pool.map(lambda way: _echoes(client, way), ways)
        if reached and leaked:
            held = stack.enter_context(probe(api, namespace, ways[:1], roles["held"]))
            leaked = _still_echoes(held, ways[0])
    if not reached:
        raise Unverifiable(
            "L’expérience témoin n’a pas abouti : deux pods d’ici ne se joignent pas, même sans interdiction.",
            "Relancez la commande ; si cela dure, le réseau des pods du cluster a un problème.",
        )
    return not leaked


def _echoes(client: Probe, target: str) -> bool:
    """Whether an echo comes back. A refusal is fast, and asked again: the server may be opening its port."""
    deadline = time.monotonic() + 1.5
    while True:
        with contextlib.suppress(ForwardRefused, Unverifiable, OSError), client.connect(target) as connection:
            connection.sendall(_WORD)
            if connection.recv(len(_WORD)) == _WORD:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


def _still_echoes(client: Probe, target: str) -> bool:
    """Whether an echo comes back even once the network has had the time to know this pod."""
    deadline = time.monotonic() + _SETTLES
    while _echoes(client, target):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.2)
    return False


def _pod(name: str, ports: Mapping[str, int], labels: Mapping[str, str]) -> dict[str, Any]:
    containers = [
        {
            "name": f"p{port}",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "args": [
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
        "metadata": {"name": name, "labels": {**labels, PROBE_LABEL: "oui"}},
        "spec": {
            "activeDeadlineSeconds": _LIFE,
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": containers,
        },
    }


def _policy(name: str, selected: Mapping[str, str], rule: Mapping[str, object]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": {PROBE_LABEL: "oui"}},
        "spec": {"podSelector": {"matchLabels": dict(selected)}, **rule},
    }


def _make(api: Api, path: str, body: Mapping[str, Any]) -> None:
    try:
        api.request("POST", path, body)
    except Refused as refusal:
        raise Unverifiable(
            f"Une sonde n’a pas pu être placée : {refusal.message}",
            "Libérez de la place si un quota est atteint : kubectl describe quota ; sinon vérifiez vos droits : "
            "cahier verifier tp1",
        ) from refusal


def _started(api: Api, path: str) -> str:
    """IP of the probe once its containers run."""
    deadline = time.monotonic() + _START
    status: Mapping[str, Any] = {}
    while time.monotonic() < deadline:
        status = api.request("GET", path).get("status") or {}
        states = status.get("containerStatuses") or []
        if states and all(item.get("ready") for item in states) and status.get("podIP"):
            return str(status["podIP"])
        if status.get("phase") == "Failed":
            break
        time.sleep(0.15)
    waiting = [(item.get("state") or {}).get("waiting") or {} for item in status.get("containerStatuses") or []]
    reasons = sorted({str(one["reason"]) for one in waiting if one.get("reason")}) or [str(status.get("phase"))]
    raise Unverifiable(
        f"Une sonde n’a pas démarré ({', '.join(reasons)}) : son image est {IMAGE}.",
        "Relancez la commande dans un instant ; si cela dure, ce cluster ne peut pas télécharger cette image.",
    )


@contextlib.contextmanager
def _removed(api: Api, path: str) -> Iterator[None]:
    try:
        yield
    finally:
        _delete(api, path)


def _delete(api: Api, path: str) -> None:
    """Take away what is ours; asked again for a moment, so that one bad answer leaves nothing behind."""
    deadline = time.monotonic() + _GONE
    while True:
        try:
            return api.remove(path, {"gracePeriodSeconds": 0})
        except AccessError:
            if time.monotonic() > deadline:
                return None  # the next probe sweeps it
        time.sleep(_PAUSE)


def _sweep(api: Api, namespace: str) -> None:
    """What a killed run has left behind."""
    old = datetime.now(UTC) - timedelta(seconds=_LIFE + 30)
    for kind in ("Pod", "NetworkPolicy"):
        listed = collection(kind, namespace)
        try:
            left = api.objects(kind, listed, {"labelSelector": PROBE_LABEL})
        except AccessError:
            continue
        for item in left:
            if datetime.fromisoformat(item["metadata"]["creationTimestamp"]) < old:
                _delete(api, f"{listed}/{item['metadata']['name']}")
