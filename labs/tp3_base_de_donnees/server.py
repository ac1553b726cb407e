"""The servers of the bases: whether they answer in their pods, and which one answers on this
machine."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import Ending, Tunnel, reaches
from checks.diagnosis.databases.catalogue import PORT, Database, ready_pods, server_in
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, identify, offers_tls
from checks.facts import ForwardRefused, Pod

from . import lessons


@dataclass(frozen=True)
class Silent:
    """A base whose pod is ready, and what came instead of PostgreSQL's answer."""

    release: str
    pod: str
    silence: str


def silent_base(cluster: Cluster) -> Silent | None:
    """The first base, when PostgreSQL answers in no pod of any; None when it answers in one. Raises
    Unverifiable when no base is ready any more."""
    ready = ready_pods(cluster)
    said = ""
    for _, pod in ready:
        try:
            server_in(cluster, pod)
        except (NotPostgres, ForwardRefused) as silence:
            said = said or str(silence)
        else:
            return None
    database, pod = ready[0]
    return Silent(database.release, pod.name, said)


def tunnel(cluster: Cluster) -> Tunnel:
    """The expected tunnel: localhost to any of the namespace's databases."""
    return Tunnel(
        local_port=cluster.local_port(PORT),
        pods=tuple(pod for _, pod in ready_pods(cluster)),
        port=PORT,
        speak=identify,
        service=lessons.THE_BASE,
        ending=lambda: _ending(cluster),
    )


def _ending(cluster: Cluster) -> Ending | None:
    """What ends a tunnel when psql leaves, where a base encrypts its sessions.

    psql says goodbye twice, to PostgreSQL and to TLS. The server goes at the first and leaves the
    second unread, so its kernel resets the connection; a kubectl since 1.23 ends all of its tunnel
    for that (measured: 1.20 never, 1.32 to 1.37 nearly always).
    https://github.com/kubernetes/kubectl/issues/1746
    """
    for _, pod in ready_pods(cluster):
        with (
            contextlib.suppress(NotPostgres, ForwardRefused, Unverifiable),
            cluster.forward(pod.name, PORT) as connection,
        ):
            if offers_tls(connection):
                return Ending(lessons.PSQL_HAS_LEFT, lessons.LEAVE_IT_OPEN)
    return None


def reached(cluster: Cluster) -> tuple[Database, Pod] | None:
    """The database that answers on localhost, told by its fingerprint. Raises NotPostgres, OSError,
    Unverifiable."""
    local_port = cluster.local_port(PORT)
    with cluster.machine.connect(local_port) as connection:
        connection.settimeout(8)
        answering = identify(connection)
    for database, pod in ready_pods(cluster):
        if answering.fingerprint is None:
            # A server without SCRAM has no fingerprint: its pod's own table of connections tells as
            # much.
            if reaches(cluster, local_port, pod, PORT):
                return database, pod
            continue
        try:
            inside = server_in(cluster, pod)
        except (NotPostgres, ForwardRefused):
            continue
        if inside.fingerprint == answering.fingerprint:
            return database, pod
    return None
