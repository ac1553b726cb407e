"""Who listens in a pod, and where."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import Listener, listeners, takes_ipv4
from checks.errors import CahierError
from checks.facts import ForwardRefused, Pod
from checks.lesson import Lesson
from checks.path import lessons
from checks.path.aims import Aim, family_of
from checks.path.outcome import Hop, Kind, broken


@dataclass(frozen=True)
class Listening:
    """What listens in a pod: on the port that is asked about, and elsewhere."""

    here: Sequence[Listener]
    elsewhere: Sequence[int]
    loopback: Sequence[int] = ()
    """Other ports, for the pod alone."""

    def reachable(self, address: str) -> bool:
        """Whether who comes to this address of the pod may find a program on the port."""
        return any(one.takes(address) is not False for one in self.here)


def listening(view: Cluster, pod: Pod, port: int) -> Listening | None:
    """What the pod itself shows; None where it cannot be looked into."""
    with contextlib.suppress(CahierError):
        found = listeners(view, pod.name)
        others = [one for one in found if one.port != port]
        open_ports = sorted({one.port for one in others if not one.on_loopback})
        own = sorted({one.port for one in others if one.on_loopback} - {*open_ports})
        return Listening([one for one in found if one.port == port], open_ports, own)
    return None


def all_ports(found: Listening) -> Sequence[int]:
    """The other ports where a tunnel would find a program."""
    return sorted({*found.elsewhere, *found.loopback})


def refuses(aim: Aim, view: Cluster, pod: Pod, port: int, found: Listening | None) -> Hop:
    """The hop of a port that refuses its clients: the program's, or that of a Service which leads
    there."""
    service = aim.service
    if found is not None and found.here:
        return _deaf(aim, view, pod, port, found.here)
    open_ports = found.elsewhere if found is not None else ()
    if service is not None and open_ports:
        kind = lessons.TranslatesNothing if service.is_headless else lessons.LeadsToAnotherPort
        commands = () if service.is_headless else _retargeted(aim, found)
        ports = ", ".join(map(str, open_ports))
        lesson: Lesson = kind(
            name=service.name, pod=pod.name, port=port, ports=ports, commands=commands
        )
        return broken(Kind.SERVICE, f"le Service {service.name}", lesson, view)
    elsewhere = heard_on(open_ports)
    if not elsewhere and found is not None and found.loopback:
        own = ", ".join(map(str, found.loopback))
        elsewhere = f" Son programme n’écoute que pour son propre pod (127.0.0.1), sur {own}."
    return nothing_listens(view, pod, port, elsewhere)


def deaf_to_ipv4(
    aim: Aim, view: Cluster, pod: Pod, port: int, found: Listening | None
) -> Hop | None:
    """The hop of a program that listens on all addresses, and takes no IPv4; None where it may
    take it."""
    at = aim.address_of(pod)
    if found is None or not at or any(one.takes(at) for one in found.here):
        return None
    with contextlib.suppress(CahierError, ForwardRefused, OSError):
        if takes_ipv4(view, pod.name, port) is False:
            return _deaf(aim, view, pod, port, found.here)
    return None


def _deaf(aim: Aim, view: Cluster, pod: Pod, port: int, here: Sequence[Listener]) -> Hop:
    """The hop of a program that listens on the port, elsewhere than where its clients come."""
    own, at = min(one.address for one in here), aim.address_of(pod) or pod.ip
    kind: type[lessons.OnLoopback] = lessons.OnLoopback
    if not all(one.on_loopback for one in here):
        own = min(one.address for one in here if not one.on_loopback)
        kind = lessons.AtAnotherAddress if family_of(own) == family_of(at) else lessons.OtherFamily
    lesson = kind(
        pod=pod.name,
        port=port,
        elsewhere="",
        address=own,
        at=at,
        family=family_of(at),
        everywhere="::" if ":" in at else "0.0.0.0",
    )
    return broken(Kind.PROGRAM, f"le pod {pod.name}, port {port}", lesson, view)


def heard_on(ports: Sequence[int]) -> str:
    """Where a program listens: a sentence, "" for nowhere."""
    return f" Son programme écoute sur {', '.join(map(str, ports))}." if ports else ""


def nothing_listens(view: Cluster, pod: Pod, port: int, elsewhere: str) -> Hop:
    """The hop of a port where nothing listens; `elsewhere`: a sentence on where something does."""
    lesson = lessons.NothingListens(pod=pod.name, port=port, elsewhere=elsewhere)
    return broken(Kind.PROGRAM, f"le pod {pod.name}, port {port}", lesson, view)


def _retargeted(aim: Aim, found: Listening | None) -> tuple[str, ...]:
    """The command after which the Service leads where its only program listens."""
    service, entry = aim.service, aim.entry
    if service is None or entry is None or found is None or len(found.elsewhere) != 1:
        return ()
    place = f"/spec/ports/{service.spec.ports.index(entry)}/targetPort"
    change = json.dumps([{"op": "add", "path": place, "value": found.elsewhere[0]}])
    return (f"kubectl patch service {service.name} -n {aim.namespace} --type=json -p '{change}'",)
