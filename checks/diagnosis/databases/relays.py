"""What a relaying pod does for its clients, and whose server they reach: proven by real exchanges
and by its sockets.

What its manifest says is `relay_manifest`'s; why it fails, `relay_failures`'s.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from socket import socket

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import Connection, Window, outgoing, window
from checks.diagnosis.databases.catalogue import databases, ready_pods, server_in
from checks.diagnosis.databases.relay_manifest import mentions
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, PostgresServer, Silence, identify, is_postgres
from checks.facts import ForwardRefused, Pod

_AT_ONCE = 3  # clients held together: a relay may take two and no more
_PATIENCE = 5.0  # seconds for each of the others, once the first has been answered
_HOPS = 2  # relays, one behind the other, that are followed
_UNTOLD = "?"  # a pod that is no database, and does not show where it leads


# -- its clients -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """What a relay did with clients held at once, then with one more.

    `held`: how many it served together, None for all that came; `waits`: the next one then got no
    answer instead of being refused. `lasts`: one that came after all of them had left was served.
    """

    server: PostgresServer
    held: int | None = None
    waits: bool = False
    lasts: bool = True


def served(connect: Callable[[], AbstractContextManager[socket]]) -> Served:
    """How clients are served, each over a connection that `connect` opens. Raises NotPostgres or
    ForwardRefused when even the first is not."""
    with connect() as first:
        server = identify(first)
        held, waits = _others(connect, 1)
    if held is not None:
        return Served(server, held, waits)
    lasts = False
    with contextlib.suppress(NotPostgres, ForwardRefused), connect() as last:
        lasts = is_postgres(last)
    return Served(server, lasts=lasts)


def _others(
    connect: Callable[[], AbstractContextManager[socket]], held: int
) -> tuple[int | None, bool]:
    """How many clients are served at once while `held` are connected, and whether the next one
    waits."""
    if held == _AT_ONCE:
        return None, False
    found, waits = None, False
    try:
        with connect() as end:
            end.settimeout(_PATIENCE)
            is_postgres(end)
            found = _others(connect, held + 1)
    except Silence:
        waits = True
    except (NotPostgres, ForwardRefused):
        pass
    return found or (held, waits)


def refuses(cluster: Cluster, pod: str, port: int) -> bool:
    """Whether the pod refuses a connection to that port: nothing listens there, or it takes no more
    clients."""
    try:
        with cluster.forward(pod, port) as connection:
            is_postgres(connection)
    except ForwardRefused as refused:
        return "refused" in str(refused)
    except NotPostgres:
        return False
    return False


# -- whose server ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stranger:
    """A server that is not the colleague's. `namespace`: whose it is; "" when it is only known to
    be none of theirs."""

    namespace: str


@dataclass(frozen=True)
class Trail:
    """Namespaces to which a relaying pod leads while a client is served, "" and `_UNTOLD` for those
    that nothing tells.

    `opened`: by connections that it made for this client; `kept`: by older ones, looked at where it
    made none.
    """

    opened: Collection[str] = ()
    kept: Collection[str] = ()


def stranger(cluster: Cluster, pod: Pod, port: int, reached: PostgresServer) -> Stranger | None:
    """None when `reached`, the server behind `port` of the relaying pod, is one of the colleague's.

    Where the colleague's access is at hand, their own servers are compared first. Otherwise, and
    for a pooler that answers in the server's place, the pod's own sockets tell where it leads while
    a client is served. Raises Unverifiable where nothing shows it.
    """
    colleague, known = cluster.colleague.namespace, cluster.once(_servers_of_the_colleague)
    if reached.fingerprint is not None and reached in known:
        return None
    # whatever the pod tells of itself
    if reached.fingerprint is not None and reached in cluster.once(_own_servers):
        return Stranger("" if known else cluster.namespace)
    arrives = _arrives(cluster, pod, port)
    if arrives:
        return None
    trail = _trail(cluster, pod, port) or Trail()
    if arrives is None and (colleague in trail.opened or set(trail.kept) == {colleague}):
        return None
    elsewhere = sorted(set(trail.opened) - {"", _UNTOLD, colleague})
    if elsewhere or (known and trail.opened and _UNTOLD not in trail.opened):
        return Stranger("" if known else elsewhere[0])
    if not known and mentions(cluster, pod, colleague):
        return None
    raise Unverifiable(
        f"À travers le pod {pod.name}, PostgreSQL répond, mais rien ne montre d’ici que c’est "
        f"celui de {colleague} : un programme qui authentifie lui-même ses clients (un pooler, "
        "comme PgBouncer) n’ouvre sa propre connexion qu’après leur mot de passe.",
        "Ouvrez une session à travers lui (psql), et relancez la vérification tant qu’elle est "
        "ouverte.",
    )


def _arrives(cluster: Cluster, pod: Pod, port: int) -> bool | None:
    """Whether one of the colleague's databases sees a pod of the learner's, or a relay of its own,
    come while a client is served: proven in their pods, of which the learner's programs are none.
    None where they cannot be looked into.
    """
    theirs = cluster.as_owner(cluster.colleague.namespace)
    if theirs is None:
        return None
    served_names = {one.name for _, one in ready_pods(theirs)}
    between = {one.ip for one in cluster.pods()} | {
        one.ip for one in theirs.pods() if one.name not in served_names
    }

    def come(windows: Mapping[str, Window]) -> set[tuple[str, Connection]]:
        seen = ((name, item) for name, one in windows.items() for item in one.established())
        return {(name, item) for name, item in seen if item.remote_address in between}

    with (
        contextlib.suppress(Unverifiable, NotPostgres, ForwardRefused),
        contextlib.ExitStack() as held,
    ):
        windows = {name: held.enter_context(window(theirs, name)) for name in served_names}
        before = come(windows)
        with cluster.forward(pod.name, port) as connection:
            identify(connection)
            now = come(windows)
            opened = {item for _, item in now - before}
            return bool(opened) or any(item.remote_address == pod.ip for _, item in now)
    return None


def answers_itself(cluster: Cluster, pod: Pod, port: int) -> bool:
    """Whether the pod answers its clients before it joins any server: its fingerprint is then its
    own."""
    trail = _trail(cluster, pod, port)
    return trail is not None and not trail.opened


def _servers_of_the_colleague(cluster: Cluster) -> Sequence[PostgresServer]:
    """Read in their own pods; none where they cannot all be."""
    theirs = cluster.as_owner(cluster.colleague.namespace)
    return _own_servers(theirs) if theirs is not None else []


def _own_servers(cluster: Cluster) -> Sequence[PostgresServer]:
    with contextlib.suppress(Unverifiable, NotPostgres, ForwardRefused):
        return [server_in(cluster, pod) for _, pod in ready_pods(cluster)]
    return []


def _trail(cluster: Cluster, pod: Pod, port: int) -> Trail | None:
    """None for a pod that cannot be looked into."""
    with (
        contextlib.suppress(Unverifiable, NotPostgres, ForwardRefused),
        window(cluster, pod.name) as through,
    ):
        before = through.seen().outgoing
        with cluster.forward(pod.name, port) as connection:
            identify(connection)
            now = through.seen().outgoing
            places = {_place(cluster, pod, one.remote_address) for one in now - before or now}
        return Trail(opened=places) if now - before else Trail(kept=places)
    return None


def _place(cluster: Cluster, pod: Pod, address: str, hops: int = _HOPS) -> str:
    """Namespace of the server that an address leads to, "" when nothing tells; `pod` is joined to
    it now."""
    ends: Sequence[str] = [address]
    for view in cluster.once(_views):
        ends = [end for one in ends for end in _behind(view, one)]
        joined = next((one for one in view.pods() if one.ip in ends), None)
        if joined is not None:
            return _through(cluster, view, joined, hops)
    return _by_reverse_dns(cluster, pod, ends[0])


def _views(cluster: Cluster) -> Sequence[Cluster]:
    """Whose pods can be looked into: the learner's, and the colleague's where their access is at
    hand."""
    theirs = cluster.as_owner(cluster.colleague.namespace)
    return [cluster, theirs] if theirs is not None else [cluster]


def _through(cluster: Cluster, view: Cluster, joined: Pod, hops: int) -> str:
    """Where a path ends that has entered a pod: there for a database, else where the pod's own
    sockets lead."""
    if any(one.pod is not None and one.pod.uid == joined.uid for one in databases(view)):
        return view.namespace
    try:
        further = outgoing(view, joined.name) if hops else ()
    except Unverifiable:
        return _UNTOLD
    colleague = cluster.colleague.namespace
    if any(_place(cluster, joined, one.remote_address, hops - 1) == colleague for one in further):
        return colleague
    return _UNTOLD if view.namespace == colleague else view.namespace


def _behind(cluster: Cluster, address: str) -> Sequence[str]:
    """Where a Service of this namespace sends the clients of its `address`; any other address is
    its own end."""
    names = {service.name for service in cluster.services() if address in service.spec.cluster_ips}
    slices = [one for one in cluster.endpoint_slices() if one.service in names] if names else []
    return [end for one in slices for endpoint in one.endpoints for end in endpoint.addresses] or [
        address
    ]


def _by_reverse_dns(cluster: Cluster, pod: Pod, address: str) -> str:
    """Namespace of the Service that has this address, asked of the cluster's DNS in `pod`; "" when
    it does not tell."""
    with contextlib.suppress(Unverifiable):
        question = f"nslookup {address} 2>/dev/null || getent hosts {address}"
        found = re.search(
            r"[\w-]+\.([\w-]+)\.svc\.", cluster.execute(pod.name, ["sh", "-c", question])
        )
        return found[1] if found else ""
    return ""
