"""The way of a client of the namespace to the dashboard: to its Service, then through the relay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from checks.capabilities import Cluster, Probe
from checks.diagnosis.connections.dns import require_dns
from checks.diagnosis.connections.sockets import Connection, established
from checks.diagnosis.workloads.program_logs import Trouble, last_words, told
from checks.errors import Unverifiable
from checks.exchange.http import HttpAnswer, NotHttp, get
from checks.facts import ForwardRefused
from checks.lesson import Wrong
from checks.objects.parts import named

from . import lessons
from .front import FRONT, RELAY, again, astray, pods, port
from .trials import BROWSERS, Held, Page, Silence, held, page
from .websocket import NotWebSocket

BY_THE_RELAY = ("relais", "localhost")
"""How the page is called through the relay: by its Service, and by the end of a tunnel."""


@dataclass(frozen=True)
class Visit:
    """What a client of the namespace gets: the pages, by the name under which it calls, then, where
    the relay gives its own, the WebSockets; None where they were not tried, or could not be."""

    pages: Mapping[str, Page]
    websockets: Held | None


def _visit(cluster: Cluster) -> Visit:
    asked = {FRONT.name: FRONT.address(cluster)}
    asked |= dict.fromkeys(BY_THE_RELAY, RELAY.address(cluster))
    with cluster.probe(sorted(set(asked.values()))) as probe:
        met = {host: page(probe, target, host) for host, target in asked.items()}
        given = (met[host] for host in BY_THE_RELAY)
        if all(isinstance(one, HttpAnswer) and one.status < 400 for one in given):
            with suppress(Unverifiable):
                return Visit(met, _held(cluster, probe))
    return Visit(met, None)


def answered(cluster: Cluster) -> Mapping[str, Page]:
    """What a client of the namespace gets, by the name under which it calls: asked once."""
    return cluster.once(_visit).pages


def own_pages(cluster: Cluster) -> Sequence[HttpAnswer]:
    """What the pods of the dashboard answer themselves, whatever they are called: asked once.
    Raises Unverifiable."""
    return cluster.once(_own_pages)


def _own_pages(cluster: Cluster) -> Sequence[HttpAnswer]:
    found = []
    for pod in pods(cluster, FRONT):
        for host in (FRONT.name, *BY_THE_RELAY):
            try:
                with cluster.forward(pod.name, port(cluster, pod, FRONT)) as connection:
                    found.append(get(connection, host=host))
            except (NotHttp, ForwardRefused) as silence:
                raise Unverifiable(
                    f"Le pod {pod.name} ne répond pas lui-même en HTTP : {silence}.",
                    f"Regardez son journal : kubectl logs {pod.name} -n {cluster.namespace}",
                ) from None
    return found


def front_astray(cluster: Cluster) -> Wrong | None:
    """None when the dashboard's Service leads to it."""
    met = answered(cluster)[FRONT.name]
    return astray(cluster, FRONT, met if isinstance(met, Silence) else None)


def relay_astray(cluster: Cluster) -> Wrong | None:
    """None when the relay's Service leads to it: what comes of the client then is another
    matter."""
    met = answered(cluster)[RELAY.name]
    return astray(cluster, RELAY, met if isinstance(met, Silence) and met.blocked else None)


def leads_elsewhere(cluster: Cluster) -> Wrong | None:
    """None when what is got through the relay is what a pod of the dashboard answers itself."""
    met = answered(cluster)[RELAY.name]
    remedy = again(cluster, RELAY)
    if isinstance(met, Silence):
        return _unanswered(cluster, met)
    own = own_pages(cluster)
    if met.body in {one.body for one in own}:
        return None
    said = first_line(met)
    if met.status == 404:
        return lessons.AnotherAddress(said=said, commands=remedy)
    if met.status >= 400:
        return lessons.AnswersAnError(status=met.status, said=said, commands=remedy)
    return lessons.AnotherPage(said=said, commands=remedy)


def _unanswered(cluster: Cluster, met: Silence) -> Wrong:
    """Why the relay takes a client to whom nobody answers. Raises Unverifiable where the cluster's
    DNS is silent."""
    log = "\n".join(cluster.logs(pod.name, 5) for pod in pods(cluster, RELAY))
    remedy, said = again(cluster, RELAY), told(log)
    if said is not None and said.trouble is Trouble.UNKNOWN_HOST and said.host:
        require_dns(cluster)
        if named(cluster.services(), said.host) is None:
            return lessons.UnknownName(host=said.host, commands=remedy)
        raise Unverifiable(
            f"Le relais n’a pas trouvé « {said.host} », un Service qui existe : le DNS du cluster "
            "n’a pas répondu à temps.",
            "Recommencez dans un instant.",
        )
    return lessons.Unanswered(
        silence=met.message, said=last_words(log) or lessons.NOTHING, commands=remedy
    )


def first_line(answer: HttpAnswer) -> str:
    """What an answer says first, its title where it has one, fit for a sentence."""
    text = answer.body.decode(errors="replace").strip()
    title = re.search(r"(?is)<title>(.*?)</title>", text)
    return last_words(title[1] if title else text.partition("\n")[0])


def page_refused(cluster: Cluster) -> Wrong | None:
    """None when the page is given to those who call it by either name."""
    for host in BY_THE_RELAY:
        met = answered(cluster)[host]
        if isinstance(met, Silence):
            raise Unverifiable(f"Le relais a cessé de répondre : {met.message}.", "Relancez.")
        if met.status >= 400:
            return lessons.HostRefused(
                host=host,
                status=met.status,
                said=first_line(met),
                commands=again(cluster, FRONT),
            )
    return None


def websockets(cluster: Cluster) -> Held:
    """The WebSockets that are held through the relay: tried once. Raises Unverifiable where they
    are, and not in a pod of the dashboard."""
    return cluster.once(_visit).websockets or cluster.once(_websockets)


def _websockets(cluster: Cluster) -> Held:
    with cluster.probe([RELAY.address(cluster)]) as probe:
        return _held(cluster, probe)


def _held(cluster: Cluster, probe: Probe) -> Held:
    before = _shown(cluster)
    arrived: list[int] = []
    met = held(
        partial(probe.connect, RELAY.address(cluster)),
        RELAY.name,
        lambda: arrived.append(len(_shown(cluster) - before)),
    )
    if arrived and arrived[0] < BROWSERS:
        raise Unverifiable(
            "Des WebSockets sont ouverts par le relais, et les pods du tableau de bord n’en "
            "montrent pas les connexions.",
            "C’est le programme « cat » de l’image qui les montre : prenez celle du TP.",
        )
    return met


def _shown(cluster: Cluster) -> frozenset[tuple[str, Connection]]:
    """The connections that the pods of the dashboard show. Raises Unverifiable."""
    return frozenset(
        (pod.name, one) for pod in pods(cluster, FRONT) for one in established(cluster, pod.name)
    )


def _own_websockets(cluster: Cluster) -> Held:
    """The same in the dashboard's own pod, by a name that it always has."""
    pod = pods(cluster, FRONT)[0]
    number = port(cluster, pod, FRONT)
    return held(lambda: cluster.forward(pod.name, number), BY_THE_RELAY[1])


def websocket_refused(cluster: Cluster) -> Wrong | None:
    """None when a WebSocket is opened through the relay, and a word comes back."""
    met = websockets(cluster)
    if met.count or met.failure is None:
        return None
    own = _own_websockets(cluster)
    if not own.count:
        return lessons.NoWebSocket(
            pod=pods(cluster, FRONT)[0].name,
            failure=str(own.failure),
            commands=again(cluster, FRONT, restarted=True),
        )
    return _dropped(cluster, met.failure)


def _dropped(cluster: Cluster, failure: NotWebSocket) -> Wrong:
    remedy = again(cluster, RELAY)
    if failure.status == 403:
        return lessons.OriginRefused(said=failure.body, commands=remedy)
    if failure.status:
        return lessons.UpgradeDropped(status=failure.status, said=failure.body, commands=remedy)
    return lessons.WebSocketCut(failure=str(failure), commands=remedy)


def one_at_a_time(cluster: Cluster) -> Wrong | None:
    """None when several WebSockets are held together."""
    met = websockets(cluster)
    if met.failure is None:
        return None
    own = _own_websockets(cluster)
    if own.failure is not None:
        return lessons.ProgramServesFew(
            count=own.count,
            failure=str(own.failure),
            pod=pods(cluster, FRONT)[0].name,
            commands=again(cluster, FRONT, restarted=True),
        )
    return lessons.RelayServesFew(
        count=met.count, failure=str(met.failure), commands=again(cluster, RELAY)
    )
