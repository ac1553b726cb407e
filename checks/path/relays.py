"""What a pod does with a client: it serves it, or leads it further, whatever tool it is. Its own
sockets show it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from socket import socket

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import Connection, Seen, Window, window
from checks.diagnosis.databases.relay_manifest import Target, targets
from checks.diagnosis.workloads.program_logs import last_words, told
from checks.errors import CahierError
from checks.facts import ForwardRefused, Pod
from checks.interruption import pause
from checks.path import lessons
from checks.path.aims import Aim, of_host
from checks.path.ground import Ground, Origin
from checks.path.inside import Arrival, reach
from checks.path.outcome import Hop, Kind, broken, passed, unknown
from checks.waiting import Deadline

_ARRIVES = 3.0  # seconds for the pod to show our own connection
_LOOKS = 4  # once it has: a relay opens its own as it takes the client; where the manifest names
# somewhere to lead it, all that time again, for a busy machine is slow to ask the DNS
_PAUSE = 0.1
_CHAIN = 5  # relays, one behind the other, that are followed


@dataclass(frozen=True)
class _Taken:
    """What a pod did with a client. `further`: the connection that it opened for it. `closed`: it
    left the client, without a word where `spoke` is false."""

    further: Connection | None = None
    made: bool = False
    """Whether that connection was made."""
    closed: bool = False
    spoke: bool = False


Onward = Generator[Hop, None, Sequence[Aim] | None]
"""Hops behind a pod, then where its client was led, relay after relay; None where the way stops."""


def beyond(ground: Ground, arrival: Arrival, chain: int = _CHAIN) -> Onward:
    """The hops behind a pod that a client reaches; none where it serves the client itself."""
    view = ground.view(arrival.view_of)
    if view is None or not chain:
        return ()
    pod, port = arrival.pod, arrival.port
    try:
        taken = _taken(view, pod, port)
    except (CahierError, ForwardRefused, OSError):
        return ()  # it cannot be looked into: the path was proven up to it
    if taken.further is not None:
        return (yield from _further(ground, view, pod, taken, chain))
    if taken.closed and not taken.spoke:
        return (yield from _left(ground, view, pod, port, chain))
    return ()


def _further(ground: Ground, view: Cluster, pod: Pod, taken: _Taken, chain: int) -> Onward:
    assert taken.further is not None
    aim = _aim(ground, view, pod, taken.further)
    yield passed(Kind.RELAY, f"le pod {pod.name}", f"relaie vers {aim.target}")
    if not taken.made:
        return (yield from _onward(ground, Origin(view, pod), aim, chain))
    yield (
        passed(Kind.NAME, f"le nom {aim.host}")
        if aim.service
        else passed(Kind.SERVER, aim.target, "la connexion est établie")
    )
    if aim.doors and aim.view is not None:
        last, port = aim.doors[0]
        yield passed(Kind.PROGRAM, f"le pod {last.name}, port {port}", "la connexion y est établie")
        further = yield from beyond(ground, Arrival(aim.view.namespace, last, port), chain - 1)
        return None if further is None else (aim, *further)
    return (aim,)


def _onward(ground: Ground, origin: Origin, aim: Aim, chain: int) -> Onward:
    arrival = yield from reach(ground, origin, aim)
    further = None if arrival is None else (yield from beyond(ground, arrival, chain - 1))
    return None if further is None else (aim, *further)


def _left(ground: Ground, view: Cluster, pod: Pod, port: int, chain: int) -> Onward:
    """Why a pod that took a client leaves it at once: what it relays to, by its log and its
    manifest, is tried from there."""
    log = "\n".join(view.logs(pod.name, 5, box.name) for box in pod.containers)
    trouble, aimed = told(log), targets(view, pod)
    named = [one for one in aimed if trouble is not None and one.host == trouble.host]
    target = next(iter(named or aimed), None)
    place = f"le pod {pod.name}, port {port}"
    if target is not None and target.port.isdigit():
        aim = of_host(_seen_from(ground, view), target.host, target.port)
        yield passed(Kind.RELAY, f"le pod {pod.name}", f"relaie vers {target}")
        return (yield from _onward(ground, Origin(view, pod), aim, chain))
    if trouble is not None:
        lesson = lessons.RelayFails(pod=pod.name, port=port, said=trouble.message)
        yield broken(Kind.RELAY, f"le pod {pod.name}", lesson, view)
    else:
        said = last_words(log)
        yield unknown(
            Kind.PROGRAM,
            place,
            lessons.ClosesAtOnce(
                pod=pod.name, port=port, said=f" Son journal finit par « {said} »." if said else ""
            ),
            view,
        )
    return None


def _aim(ground: Ground, view: Cluster, pod: Pod, further: Connection) -> Aim:
    """What a relay's own connection means: by the name that its manifest writes, where it is that
    of the address that was joined."""
    there = _seen_from(ground, view)
    for target in targets(view, pod):
        if target.port == str(further.remote_port) or not target.port.isdigit():
            named = of_host(there, target.host, str(further.remote_port))
            if _is_at(named, further.remote_address, target):
                return named
    return of_host(there, further.remote_address, str(further.remote_port))


def _is_at(aim: Aim, address: str, target: Target) -> bool:
    if aim.service is None:
        # a name that cannot be looked at: nothing contradicts the manifest
        return aim.view is None or target.host == address
    addresses = {*aim.service.spec.cluster_ips, *(pod.ip for pod in aim.selected())}
    return address in addresses


def _seen_from(ground: Ground, view: Cluster) -> Ground:
    """The ground of whom works in that namespace: short names are its own."""
    if view.namespace == ground.cluster.namespace:
        return ground
    return Ground(view, ground.tries)


def _taken(view: Cluster, pod: Pod, port: int) -> _Taken:
    """What the pod does with a client of ours. Raises as `Cluster.forward` and a window do."""
    patient = bool(targets(view, pod))
    with window(view, pod.name) as through:
        before = through.seen()
        with view.forward(pod.name, port) as connection:
            looks, deadline = 0, Deadline(_ARRIVES)
            while (looks < _LOOKS or patient) and not deadline.passed:
                now = through.seen()
                opened = _opened(now, before)
                if opened is not None and _again(view, pod, port, opened, now, through):
                    return _made(through, opened, now)
                spoke, closed = _state(connection)
                if closed or spoke:
                    return _Taken(closed=closed, spoke=spoke)
                if _ours(now, port) - _ours(before, port):
                    if not looks:
                        deadline = Deadline(_ARRIVES)
                    looks += 1
                pause(_PAUSE)
    return _Taken()


def _again(
    view: Cluster, pod: Pod, port: int, opened: Connection, before: Seen, through: Window
) -> bool:
    """Whether the pod opens another such connection for another client: one that it opens for
    itself, at that moment, is none of its clients'."""
    deadline = Deadline(_ARRIVES)
    with view.forward(pod.name, port):
        while not deadline.passed:
            again = _opened(through.seen(), before)
            if again is not None:
                return _end(again) == _end(opened)
            pause(_PAUSE)
    return False


def _end(connection: Connection) -> tuple[str, int]:
    return connection.remote_address, connection.remote_port


def _made(through: Window, opened: Connection, now: Seen) -> _Taken:
    """Whether a connection that the pod opens is made, in the end."""
    deadline = Deadline(_ARRIVES)
    while opened in now.opening and not deadline.passed:
        pause(_PAUSE)
        now = through.seen()
    return _Taken(opened, made=opened in now.established)


def _opened(now: Seen, before: Seen) -> Connection | None:
    found = (now.outgoing | now.opening) - (before.outgoing | before.opening)
    return next(iter(sorted(found, key=lambda one: one.remote_port)), None)


def _ours(found: Seen, port: int) -> frozenset[Connection]:
    return frozenset(
        one for one in found.established if one.local_port == port and one.from_loopback
    )


def _state(connection: socket) -> tuple[bool, bool]:
    """Whether the other end has spoken, and whether it has closed."""
    connection.settimeout(_PAUSE)
    with contextlib.suppress(TimeoutError):
        try:
            return bool(data := connection.recv(1)), not data
        except TimeoutError:
            raise
        except OSError:
            return False, True
    return False, False
