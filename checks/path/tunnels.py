"""From this machine into the cluster: by a tunnel that is open, or by one that would be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from socket import socket

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import (
    Tunnel,
    closing,
    lets_in,
    nobody_listens,
    reached,
    reaches,
    selected,
    silent,
    target_port,
    unexpected,
)
from checks.diagnosis.workloads.readiness import not_ready
from checks.errors import CahierError, Unverifiable
from checks.facts import ForwardCommand, ForwardRefused, Listener, Pod
from checks.lesson import Lesson
from checks.objects.parts import named
from checks.path import lessons, programs
from checks.path.aims import Aim, first_ready, pods_of
from checks.path.ends import LocalPort, Named
from checks.path.ground import Ground
from checks.path.inside import Arrival, Leg
from checks.path.outcome import Hop, Kind, Proof, broken, passed, unknown
from checks.path.protocols import Client
from checks.path.selections import broken_service

_STAYS = 1.0  # seconds: a server that waits for its client to speak says nothing
_AT_ONCE = 0.2  # the same, of a tunnel that leads nowhere: what stays, the pod itself shows
_LEAVES = 5.0  # the same, of a server that left another client: its node tells it a second later
# the API server counts in seconds, when and since when; so does this machine, of its own start
_SAME_AGE = timedelta(seconds=2)
_IPV6 = ("::1", "::")
_ADVICE = "Puis rouvrez le tunnel."


def from_local_port(ground: Ground, end: LocalPort, wanted: Aim | None = None) -> Leg:
    """The hops from a port of this machine to the pod behind it. `wanted`: where it should lead,
    where that was said."""
    cluster, port = ground.cluster, end.port
    place = f"{end.host}:{port}"
    if end.browser:
        yield passed(
            Kind.BROWSER, end.browser, f"ce service montre le port {port} de son pod", Proof.READ
        )
    expected = _tunnel(port, wanted)
    everybody = cluster.machine.listeners(port)
    nobody = None if _on_ipv6_alone(cluster, end, everybody) else nobody_listens(cluster, expected)
    if nobody is not None:
        yield broken(Kind.LOCAL_PORT, place, nobody, cluster)
        return None
    listeners = reached(everybody)
    if end.address == "::1" and everybody:
        listeners = [one for one in everybody if one.address in _IPV6]
        if not listeners:
            elsewhere = lessons.NotOnThatAddress(port=port, address=end.host)
            yield broken(Kind.LOCAL_PORT, place, elsewhere, cluster)
            return None
        if not {one.pid for one in listeners} & {one.pid for one in reached(everybody)}:
            raise Unverifiable(
                f"Deux programmes tiennent le port {port} : l’un sur 127.0.0.1, l’autre sur ::1, "
                "et seul le premier est suivi.",
                f"Pour le premier : cahier chemin localhost:{port}",
            )
    forward = next((one.forward for one in listeners if one.forward), None)
    if forward is None:
        yield from _of_this_machine(cluster, expected, listeners, wanted)
        if wanted is None and end.wanted is not None and _holder(listeners):
            # one that is not ours to see may be a tunnel: it would end with a server that hangs up
            client = Client("localhost", port, end.wanted)
            yield from client.told(client.hears(partial(cluster.machine.connect, port)), cluster)
        return None
    yield passed(Kind.LOCAL_PORT, place, _held(cluster, listeners, everybody, end))
    return (yield from _through(ground, port, listeners, forward))


def _tunnel(port: int, wanted: Aim | None) -> Tunnel:
    doors = wanted.doors if wanted is not None else ()
    pods = [pod for pod, _ in doors]
    return Tunnel(
        local_port=port,
        pods=pods,
        port=doors[0][1] if doors else port,
        speak=stays_open,
        service=f"pod/{pods[0].name}" if pods else "un pod du cluster",
    )


def stays_open(connection: socket, seconds: float = _STAYS) -> None:
    """Return where the other end speaks, or waits for us to. Raises OSError where it leaves
    without a word."""
    connection.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        if not connection.recv(1):
            raise ConnectionResetError("la connexion est coupée sans un mot")


def _holder(listeners: Sequence[Listener]) -> str:
    found = next((one for one in listeners if one.process), None)
    return f"tenu par {found.process} (processus {found.pid})" if found is not None else ""


def _on_ipv6_alone(cluster: Cluster, end: LocalPort, listeners: Sequence[Listener]) -> bool:
    """Whether the port is open on ::1 only, where the client that is meant comes too: most try all
    the addresses of « localhost »."""
    there = bool(listeners) and all(one.address in _IPV6 for one in listeners)
    return there and (
        end.address == "::1" or (not end.address and "::1" in cluster.machine.localhost())
    )


def _missed(cluster: Cluster, listeners: Sequence[Listener], end: LocalPort) -> str:
    """What is told where the first address of « localhost » is not one where the port is open; ""
    where it is."""
    first = next(iter(cluster.machine.localhost()), "") if not end.address else ""
    open_on = {one.address for one in listeners}
    taken = {"127.0.0.1": {"127.0.0.1", "0.0.0.0"}, "::1": set(_IPV6)}.get(first)
    if taken is None or not open_on or taken & open_on:
        return ""
    other = "[::1]" if first == "127.0.0.1" else "127.0.0.1"
    return (
        f" ; « localhost » est ici d’abord {first}, où ce port n’est pas ouvert : pour un client "
        f"qui n’essaie pas l’autre adresse, écrivez {other}"
    )


def _held(
    cluster: Cluster,
    listeners: Sequence[Listener],
    everybody: Sequence[Listener],
    end: LocalPort,
) -> str:
    """Who holds the port, and who else does on another address: a client that takes it meets
    another tunnel."""
    pids = {one.pid for one in listeners}
    others = [one for one in everybody if one.pid not in pids]
    there = ", ".join(
        f"{_holder([one])} sur {one.address}"
        + (f", vers {one.forward.kind}/{one.forward.name}" if one.forward else "")
        for one in others
        if one.process
    )
    if there:
        return f"{_holder(listeners)} ; aussi {there}"
    return _holder(listeners) + _missed(cluster, everybody, end)


def _of_this_machine(
    cluster: Cluster, expected: Tunnel, listeners: Sequence[Listener], wanted: Aim | None
) -> Iterator[Hop]:
    """The port is held by a program that is no tunnel."""
    place = f"localhost:{expected.local_port}"
    if wanted is not None:
        yield broken(Kind.LOCAL_PORT, place, unexpected(cluster, expected, listeners, ""), cluster)
        return
    yield passed(
        Kind.LOCAL_PORT, place, f"{_holder(listeners) or 'un programme'}, qui n’est pas un tunnel"
    )


def _through(
    ground: Ground, port: int, listeners: Sequence[Listener], forward: ForwardCommand
) -> Leg:
    """The hops of a tunnel that is open."""
    place = forward.namespace or ground.cluster.namespace
    view, aimed = ground.view(place), f"{forward.kind}/{forward.name}"
    words = f"le tunnel vers {aimed}"
    if view is None:
        lesson: Lesson = lessons.OtherNamespace(port=port, aimed=aimed, place=place)
        yield unknown(Kind.TUNNEL, words, lesson, ground.cluster)
        return None
    pods = _aimed_at(view, forward)
    if not pods:
        yield _aimed_at_nothing(view, port, forward, words)
        return None
    number = _port_in_pod(view, forward, port, pods)
    if number is None:
        lesson = lessons.NotTried(why=" : la commande du tunnel ne dit pas le port du pod")
        yield unknown(Kind.TUNNEL, words, lesson, view)
        return None
    tunnel = Tunnel(port, pods, number, stays_open, f"pod/{pods[0].name}")
    return (yield from _tried(view, tunnel, listeners, forward, words))


def _aimed_at(view: Cluster, forward: ForwardCommand) -> Sequence[Pod]:
    end = Named(forward.kind, forward.name, view.namespace)
    return first_ready(selected(view, forward)) or pods_of(view, end)


def _aimed_at_nothing(view: Cluster, port: int, forward: ForwardCommand, words: str) -> Hop:
    """The hop of a tunnel to what has no pod now: but for a pod that is named, one may have been
    chosen before that."""
    aimed = f"{forward.kind}/{forward.name}"
    if forward.kind != "pod":
        with contextlib.suppress(OSError), view.machine.connect(port) as connection:
            stays_open(connection)
            kept: Lesson = lessons.AimedElsewhereSince(port=port, aimed=aimed)
            return unknown(Kind.TUNNEL, words, kept, view)
    service = named(view.services(), forward.name) if forward.kind == "service" else None
    remote = forward.ports.get(port)
    if service is not None and remote is not None:
        wrong = broken_service(Aim(service.name, remote, view.namespace, view, service))
        if wrong is not None:
            return wrong
    lesson = lessons.AimedAtNothing(port=port, aimed=aimed)
    return broken(Kind.TUNNEL, words, lesson, view, Proof.READ)


def _port_in_pod(
    view: Cluster, forward: ForwardCommand, port: int, pods: Sequence[Pod]
) -> int | None:
    """Where a local port of the tunnel arrives, None where the command does not tell."""
    remote, name = forward.ports.get(port), forward.named.get(port, "")
    if forward.kind != "service":
        return pods[0].port_named(name) if name else remote
    service = named(view.services(), forward.name)
    if service is not None and name:
        remote = next((one.port for one in service.spec.ports if one.name == name), None)
    return None if remote is None else target_port(view, forward.name, remote, pods)


def _tried(
    view: Cluster,
    tunnel: Tunnel,
    listeners: Sequence[Listener],
    forward: ForwardCommand,
    words: str,
) -> Leg:
    """A connection to the local port, and what the pod shows of it; where it shows none, one by a
    tunnel of our own: the two together tell whether the tunnel, or what it leads to, is at
    fault."""
    said, found = "", None
    try:
        with view.machine.connect(tunnel.local_port) as connection:
            stays_open(connection, _AT_ONCE)
        found = _where_it_arrives(view, tunnel)
        if found is None or found[1] is not Proof.TRIED:
            # the pod does not show that they are taken: they have to last
            with view.machine.connect(tunnel.local_port) as connection:
                stays_open(connection)
    except OSError as silence:
        said, found = str(silence), None
    if found is not None:
        pod, proof = found
        yield passed(Kind.TUNNEL, words, f"mène au pod {pod.name}, port {tunnel.port}", proof)
        place = f"le pod {pod.name}, port {tunnel.port}"
        yield passed(Kind.PROGRAM, place, "un programme y répond")
        return Arrival(view.namespace, pod, tunnel.port)
    pod, port = tunnel.pods[0], tunnel.port
    try:
        with view.forward(pod.name, port) as connection:
            stays_open(connection, _LEAVES)
    except ForwardRefused:
        yield from _nothing_there(view, tunnel, listeners, forward, words)
        return None
    except OSError:  # it takes its clients, then leaves them: so it may do through the tunnel
        if lets_in(view, tunnel.local_port, pod, port):
            yield passed(Kind.TUNNEL, words, f"mène au pod {pod.name}", Proof.READ)
            return Arrival(view.namespace, pod, port)
        said = said or "la connexion est coupée sans un mot"
    wrong = (
        silent(view, tunnel, listeners, forward, said)
        if said
        else unexpected(view, tunnel, listeners, "", forward)
    )
    yield broken(Kind.TUNNEL, words, wrong, view)
    return None


def _nothing_there(
    view: Cluster,
    tunnel: Tunnel,
    listeners: Sequence[Listener],
    forward: ForwardCommand,
    words: str,
) -> Iterator[Hop]:
    """The hops of a tunnel that does not carry, to a pod that takes no client either: which of them
    stands before the other is told by which is older. A tunnel keeps the pod that it had chosen."""
    pod, aimed = tunnel.pods[0], f"{forward.kind}/{forward.name}"
    behind = _refused(view, pod, tunnel.port)
    older = [_is_older(view, listeners, one) for one in tunnel.pods]
    if all(older):
        lesson: Lesson = lessons.OpenedBefore(
            port=tunnel.local_port,
            aimed=aimed,
            pod=pod.name,
            behind=behind.finding,
            remedy=behind.fix,
            commands=(*closing(listeners), tunnel.command),
            look_first=behind.look_commands,
        )
        yield broken(Kind.TUNNEL, words, lesson, view, Proof.READ)
        return
    if forward.kind == "pod" and older == [False]:
        yield passed(Kind.TUNNEL, words, f"mène au pod {pod.name}", Proof.READ)
    else:
        perhaps = lessons.PerhapsOpenedBefore(
            port=tunnel.local_port, aimed=aimed, commands=(*closing(listeners), tunnel.command)
        )
        yield unknown(Kind.TUNNEL, words, perhaps, view)
    yield behind


def _is_older(view: Cluster, listeners: Sequence[Listener], pod: Pod) -> bool | None:
    """Whether a tunnel is older than a pod: never was it that one's. None where they are of an age,
    or nothing tells."""
    began = [one.since for one in listeners if one.since is not None]
    asked = datetime.now(UTC)
    with contextlib.suppress(CahierError):
        theirs = view.clock()
        if theirs is not None and began:
            apart = pod.created - min(began) - (theirs - asked)
            waited = datetime.now(UTC) - asked
            return apart > timedelta(0) if abs(apart) > _SAME_AGE + waited else None
    return None


def _where_it_arrives(view: Cluster, tunnel: Tunnel) -> tuple[Pod, Proof] | None:
    """In which of the pods connections to the local port arrive; the first, where they cannot be
    looked into. None for none of them."""
    try:
        found = (pod for pod in tunnel.pods if reaches(view, tunnel.local_port, pod, tunnel.port))
        pod = next(found, None)
    except Unverifiable:
        return tunnel.pods[0], Proof.READ
    except OSError:
        return None
    return None if pod is None else (pod, Proof.TRIED)


def _refused(view: Cluster, pod: Pod, port: int) -> Hop:
    """Why a tunnel of ours did not open on the pod's port."""
    wrong = None if any(box.running for box in pod.containers) else not_ready(view, pod, _ADVICE)
    if wrong is not None:
        return broken(Kind.POD, f"le pod {pod.name}", wrong, view, Proof.READ)
    found = programs.listening(view, pod, port)
    others = programs.all_ports(found) if found is not None else ()
    return programs.nothing_listens(view, pod, port, programs.heard_on(others))


def by_a_tunnel_of_ours(ground: Ground, aim: Aim) -> Leg:
    """The hops from this machine to a pod, by a tunnel that is opened for the while. Raises
    Forbidden where we may not."""
    view, pods = aim.view, aim.selected()
    if view is None or not pods:
        return None
    pod = next((one for one in pods if one.ready), pods[0])
    port = aim.port_of(pod) or aim.port
    words = f"un tunnel vers pod/{pod.name}"
    try:
        with view.forward(pod.name, port) as connection:
            stays_open(connection)
    except ForwardRefused:
        yield _refused(view, pod, port)
        return None
    except OSError:
        yield passed(Kind.TUNNEL, words, f"s’ouvre sur le port {port}")
        return Arrival(view.namespace, pod, port)
    yield passed(Kind.TUNNEL, words, f"s’ouvre sur le port {port}")
    yield passed(Kind.PROGRAM, f"le pod {pod.name}, port {port}", "un programme y répond")
    return Arrival(view.namespace, pod, port)
