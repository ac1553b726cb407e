"""From one end to the other: which hops there are between two ends, asked in their order."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from checks.diagnosis.connections.workplace import own_pod
from checks.errors import (
    AccessError,
    ClusterLost,
    Forbidden,
    Unverifiable,
    UsageError,
)
from checks.facts import Pod
from checks.path import lessons
from checks.path.aims import Aim, aim, pods_of
from checks.path.ends import End, Host, Inside, LocalPort, Named, Somebody, Wanted, Workplace
from checks.path.ground import Ground, Origin
from checks.path.inside import Arrival, Leg, reach
from checks.path.outcome import Hop, Kind, Path, broken, overall, undecided, unknown
from checks.path.permissions import by_rights
from checks.path.protocols import Client, hints, hints_of
from checks.path.relays import beyond
from checks.path.tunnels import by_a_tunnel_of_ours, from_local_port
from checks.verdict import Status


def walk(
    ground: Ground, source: End, destination: End, on_hop: Callable[[Hop], None] = lambda _: None
) -> Path:
    """The path between two ends; `on_hop` hears of each hop. Raises UsageError, and ClusterLost
    where the cluster answers nobody."""
    cluster = ground.cluster
    hops: list[Hop] = []
    for hop in _guarded(_between(ground, source, destination), destination):
        hops.append(hop)
        on_hop(hop)
    return Path(
        source=_named(ground, source),
        destination=str(destination),
        namespace=cluster.namespace,
        user=cluster.user,
        status=overall(hops),
        hops=tuple(hops),
    )


def _named(ground: Ground, source: End) -> str:
    here = own_pod(ground.cluster) if isinstance(source, Inside | Workplace) else None
    return f"ce service (pod {here.name})" if here is not None else str(source)


def _guarded(hops: Iterator[Hop], destination: End) -> Iterator[Hop]:
    """What keeps a hop from being looked at is told in its place, and is no fault of anybody's."""
    try:
        yield from hops
    except (UsageError, ClusterLost):
        raise
    except (Unverifiable, Forbidden) as reason:
        yield undecided(Kind.SERVER, str(destination), reason, Status.UNVERIFIED)
    except AccessError as trouble:
        yield undecided(Kind.SERVER, str(destination), trouble, Status.ERROR)


def _between(ground: Ground, source: End, destination: End) -> Iterator[Hop]:
    if isinstance(destination, LocalPort):
        here = Client(destination.address or "localhost", destination.port, destination.wanted)
        yield from _and_beyond(ground, from_local_port(ground, destination), here)
        return
    assert isinstance(destination, Named | Host)
    meant = aim(ground, destination)
    absent = _absent(meant, destination)
    if absent is not None:
        yield absent
        return
    if isinstance(source, LocalPort):
        yield from _to_what_was_wanted(ground, source, destination, meant)
    elif isinstance(source, Somebody):
        yield from _by_rights(ground, source, destination, meant)
    elif isinstance(source, Workplace) and own_pod(ground.cluster) is None:
        yield from _by_a_tunnel(ground, destination, meant)
    else:
        client = Client(meant.host, meant.port, _wanted(destination))
        leg = reach(ground, _origin(ground, source), meant, client)
        yield from _and_beyond(ground, leg, client)


def _wanted(end: End) -> Wanted | None:
    """What is spoken at an end, where its address says it."""
    return end.wanted if isinstance(end, LocalPort | Host) else None


def _and_beyond(ground: Ground, leg: Leg, client: Client) -> Iterator[Hop]:
    arrival = yield from leg
    led = None if arrival is None else (yield from beyond(ground, arrival))
    if arrival is not None and led is not None:
        yield from _what_answers(ground, arrival, led, client)


def _what_answers(
    ground: Ground, arrival: Arrival, led: Sequence[Aim], client: Client
) -> Iterator[Hop]:
    """The hop of what answers a client behind all the relays. It is asked through a tunnel of our
    own: a server that hangs up would end the learner's."""
    view, pod, port = ground.view(arrival.view_of), arrival.pod, arrival.port
    if arrival.asked:
        yield from client.told(arrival.speech, ground.cluster)
    elif view is not None:
        on_the_way = [*(hint for one in reversed(led) for hint in hints(one)), *hints_of(pod, port)]
        speech = client.hears(partial(view.forward, pod.name, port), on_the_way)
        yield from client.told(speech, ground.cluster)


def _absent(meant: Aim, end: Named | Host) -> Hop | None:
    """The hop of an object that does not exist; None where it does, or is only a name."""
    if isinstance(end, Host) or end.kind == "service" or meant.pods or meant.view is None:
        return None
    view, what = meant.view, f"{end.kind}/{end.name}"
    near = difflib.get_close_matches(end.name, [one.name for one in view.pods()], 1)
    lesson = lessons.NoSuchPod(what=what, near=f" Il y a pod/{near[0]}." if near else "")
    return broken(Kind.POD, what, lesson, view)


def _to_what_was_wanted(
    ground: Ground, source: LocalPort, destination: End, meant: Aim
) -> Iterator[Hop]:
    """The path behind a local port, and whether it meets what was wanted."""
    arrival = yield from from_local_port(ground, source, meant)
    if arrival is None:
        return
    led = yield from beyond(ground, arrival)
    wanted = {pod.uid for pod in meant.selected()}
    if led is None:
        return
    if arrival.pod.uid in wanted or any(meant.is_met_by(one) for one in led):
        wanted_there = _wanted(destination) or source.wanted
        client = Client(source.address or "localhost", source.port, wanted_there)
        yield from _what_answers(ground, arrival, led, client)
        return
    where, asked = f"pod/{arrival.pod.name}", str(destination)
    unseen = [one.target for one in led if one.view is None]
    if unseen and meant.view is None:
        maybe = lessons.PerhapsThere(
            port=source.port, where=where, wanted=asked, led=", ".join(unseen)
        )
        yield unknown(Kind.RELAY, f"localhost:{source.port}", maybe, ground.cluster)
        return
    lesson = lessons.NotThere(port=source.port, where=where, wanted=asked)
    yield broken(Kind.TUNNEL, f"localhost:{source.port}", lesson, ground.cluster)


def _by_rights(ground: Ground, source: Somebody, end: End, meant: Aim) -> Iterator[Hop]:
    if meant.view is None or not meant.selected():
        raise Unverifiable(
            f"{end} n’a pas de pod que vos droits montrent : un tunnel mène à un pod.",
            "Demandez à la personne à qui est ce namespace de taper la même commande.",
        )
    yield from by_rights(ground, source, end, meant)


def _by_a_tunnel(ground: Ground, end: End, meant: Aim) -> Iterator[Hop]:
    if meant.view is None or not meant.selected():
        raise Unverifiable(
            f"{end} n’a pas de pod que vos droits montrent : de votre poste, un tunnel ne mène "
            "qu’à un pod.",
            "Pour le chemin depuis un pod de votre namespace, ne donnez qu’un bout : "
            f"cahier chemin {end}",
        )
    client = Client("localhost", meant.port, _wanted(end))
    yield from _and_beyond(ground, by_a_tunnel_of_ours(ground, meant), client)


def _origin(ground: Ground, source: End) -> Origin:
    """From where one goes inside the cluster. Raises UsageError."""
    cluster = ground.cluster
    here = own_pod(cluster)
    if isinstance(source, Inside | Workplace):
        return Origin(cluster, here, here=here is not None)
    if not isinstance(source, Named) or source.kind == "service":
        raise UsageError(
            f"« {source} » ne peut pas être un départ : on part d’un pod, d’un port de son poste, "
            "ou d’une personne.",
            "Par exemple : cahier chemin pod/mon-pod svc/api:80",
        )
    view = ground.view(source.namespace)
    pods: Sequence[Pod] = pods_of(view, source) if view is not None else ()
    if view is None or not pods:
        raise UsageError(
            f"Aucun pod pour « {source} » dans {source.namespace}.",
            f"Voyez ceux qui y sont : kubectl get pods -n {source.namespace}",
        )
    pod = pods[0]
    return Origin(view, pod, here=here is not None and here.uid == pod.uid)
