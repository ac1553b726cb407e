"""From one end to the other: which hops there are between two ends, asked in their order."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

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
from checks.path.ends import End, Host, Inside, LocalPort, Named, Somebody, Workplace
from checks.path.ground import Ground, Origin
from checks.path.inside import Leg, reach
from checks.path.outcome import Hop, Kind, Path, broken, overall, undecided, unknown
from checks.path.permissions import by_rights
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
        yield from _and_beyond(ground, from_local_port(ground, destination))
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
        yield from _and_beyond(ground, reach(ground, _origin(ground, source), meant))


def _and_beyond(ground: Ground, leg: Leg) -> Iterator[Hop]:
    arrival = yield from leg
    if arrival is not None:
        yield from beyond(ground, arrival)


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
    if led is None or arrival.pod.uid in wanted or any(meant.is_met_by(one) for one in led):
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
    yield from _and_beyond(ground, by_a_tunnel_of_ours(ground, meant))


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
