"""From a pod of the cluster to a name and a port: what resolves it, what is behind it, who lets it
through, who listens.

A connection decides: where it is made, nothing is broken, whatever is written. Where it is not, the
hops are taken apart by connections to each pod behind the name, and by what was answered; objects
are read to say why.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from checks.diagnosis.workloads.program_logs import Trouble
from checks.errors import Unverifiable
from checks.exchange.spoken import Speech
from checks.facts import Pod
from checks.interruption import pause
from checks.path import lessons, names, networks, programs, selections
from checks.path.aims import Aim, of_host
from checks.path.ground import Ground, Origin
from checks.path.outcome import Hop, Kind, Proof, passed, unknown
from checks.path.protocols import Client, hints
from checks.path.trials import Attempt, Attempts, Way, attempts
from checks.verdict import Status


@dataclass(frozen=True)
class Arrival:
    """A pod and the port where clients arrive in it. `asked`: whether what is heard there is
    `speech`."""

    view_of: str
    pod: Pod
    port: int
    asked: bool = False
    speech: Speech | None = None


Leg = Generator[Hop, None, Arrival | None]
"""Hops, then where they arrived; None where that is not known, or they did not."""

_FOLLOWS = 1.0  # seconds: the DNS, and the nodes, follow a Service with some delay
_ALIASES = 3  # ExternalName Services, one behind the other


def reach(
    ground: Ground,
    origin: Origin,
    aim: Aim,
    client: Client | None = None,
    aliases: int = _ALIASES,
) -> Leg:
    """The hops from `origin` to what `aim` names. `client`: who would speak there; None where what
    answers is not to be asked."""
    service = aim.service
    if service is not None and service.spec.external_name and aliases:
        other = of_host(ground, service.spec.external_name, str(aim.port))
        yield passed(
            Kind.NAME,
            f"le nom {aim.host}",
            f"un autre nom (ExternalName) pour {service.spec.external_name}",
            Proof.READ,
        )
        return (yield from reach(ground, origin, other, client, aliases - 1))
    return (yield from _Reach(ground, origin, aim, client).hops())


class _Reach:
    def __init__(self, ground: Ground, origin: Origin, aim: Aim, client: Client | None) -> None:
        self._ground, self._origin, self._aim, self._client = ground, origin, aim, client
        self._tried: Attempts = {}
        self._why_not = " (--sans-essai)"
        if ground.tries:
            try:
                self._tried = attempts(origin, [*self._ways()])
                if self._is_not_followed_yet():
                    pause(_FOLLOWS)
                    self._tried = {**self._tried, **attempts(origin, [*self._ways()][:1])}
            except Unverifiable as trouble:
                self._why_not = f" : {trouble.message.rstrip('.')}"

    def _is_not_followed_yet(self) -> bool:
        """Whether every pod behind the name was reached, and the name was not."""
        doors = [self._attempt(*door) for door in self._aim.doors]
        reached = bool(doors) and all(one is not None and one.entered for one in doors)
        return reached and self._whole is not None and not self._whole.entered

    def _ways(self) -> Iterator[Way]:
        """What the client writes, then each pod behind it by its address."""
        aim, doors = self._aim, self._aim.doors
        client = self._client
        hears = partial(client.hears, hints=[*hints(aim)]) if client is not None else None
        if not aim.is_direct:
            yield Way(aim.host, aim.port, partial(self._all_allowed, doors), hears)
            hears = None
        for door in doors:
            address = aim.address_of(door[0])
            yield Way(address, door[1], partial(self._all_allowed, [door]), hears)
            hears = None

    def _all_allowed(self, doors: Sequence[tuple[Pod, int]], address: str) -> bool | None:
        """What the policies mean for a client of that address: None where they do not agree, or
        cannot all be read."""
        view = self._aim.view
        if view is None or not doors:
            return None
        found = {
            networks.decision(self._origin, view, pod, port, address).allowed for pod, port in doors
        }
        return found.pop() if len(found) == 1 else None

    def _attempt(self, pod: Pod, port: int) -> Attempt | None:
        return self._tried.get(Way(self._aim.address_of(pod), port).target)

    @property
    def _whole(self) -> Attempt | None:
        """What became of the connection that the client makes."""
        aim = self._aim
        if aim.is_direct:
            return next((self._attempt(*door) for door in aim.doors), None)
        return self._tried.get(Way(aim.host, aim.port).target)

    def hops(self) -> Leg:
        """All the hops, up to the first that is broken."""
        whole = self._whole
        if whole is not None and whole.entered:
            return (yield from self._through())
        aim = self._aim
        if not aim.is_direct:
            found = names.broken_name(self._ground, self._origin, aim, whole)
            if found is not None:
                yield found
                return None
            yield passed(
                Kind.NAME,
                f"le nom {aim.host}",
                proof=Proof.TRIED if whole is not None else Proof.READ,
            )
        if aim.view is None:
            yield self._out_of_sight(whole)
            return None
        wrong = selections.broken_service(aim) or selections.broken_pods(aim)
        if wrong is not None:
            yield wrong
            return None
        if aim.service is not None:
            yield passed(
                Kind.SERVICE, f"le Service {aim.service.name}", self._doors_said(), Proof.READ
            )
        return (yield from self._to_the_pods(whole))

    def _to_the_pods(self, whole: Attempt | None) -> Leg:
        """Why the pods that are behind the name are not reached."""
        aim, view = self._aim, self._aim.view
        assert view is not None
        for pod, port in aim.doors:
            attempt = self._attempt(pod, port)
            if attempt is None:
                yield from self._as_read(pod, port)
                return None
            if not attempt.entered:
                yield from self._stopped(pod, port, attempt)
                return None
        if whole is None or not aim.doors:
            yield unknown(Kind.SERVER, aim.target, lessons.NotTried(why=self._why_not), view)
        elif aim.service is not None:
            pod = aim.doors[0][0]
            yield unknown(
                Kind.SERVICE,
                f"le Service {aim.service.name}",
                lessons.NotLinkedYet(name=aim.service.name, pod=pod.name),
                view,
            )
        return None

    def _stopped(self, pod: Pod, port: int, attempt: Attempt) -> Iterator[Hop]:
        """The hop that stopped a connection to a pod."""
        aim, view = self._aim, self._aim.view
        assert view is not None
        listens = programs.listening(view, pod, port)
        if listens is not None and not listens.here and aim.service is not None:
            # a Service that leads astray comes before what the network does of its clients
            astray = programs.refuses(aim, view, pod, port, listens)
            if astray.id is Kind.SERVICE:
                yield astray
                return
        by_the_network = attempt.trouble is Trouble.SILENT or (
            # some networks refuse instead of staying silent
            listens is not None and listens.reachable(aim.address_of(pod))
        )
        if by_the_network and attempt.trouble is Trouble.REFUSED:
            # what the policies of both ends let through is no network's refusal
            meant = networks.decision(self._origin, view, pod, port, attempt.address)
            deaf = programs.deaf_to_ipv4(aim, view, pod, port, listens) if meant.allowed else None
            if deaf is not None:
                yield from networks.crossed(self._origin, view, pod, port, attempt.address)
                yield deaf
                return
        if by_the_network:
            yield from networks.stopped(self._origin, view, pod, port, attempt)
            return
        if attempt.trouble is not Trouble.REFUSED:
            place = f"le pod {pod.name}"
            yield unknown(Kind.POD, place, lessons.FailsOtherwise(said=attempt.said), view)
            return
        found = programs.refuses(aim, view, pod, port, listens)
        if found.id is Kind.PROGRAM:
            yield from networks.crossed(self._origin, view, pod, port, attempt.address)
        yield found

    def _as_read(self, pod: Pod, port: int) -> Iterator[Hop]:
        """Nothing was tried: what is read may stop the path, and nothing shows that it goes."""
        view = self._aim.view
        assert view is not None
        listens = programs.listening(view, pod, port)
        if listens is not None and not listens.reachable(self._aim.address_of(pod)):
            yield programs.refuses(self._aim, view, pod, port, listens)
            return
        yield unknown(Kind.SERVER, self._aim.target, lessons.NotTried(why=self._why_not), view)

    def _through(self) -> Leg:
        """The hops of a connection that was made."""
        aim, view = self._aim, self._aim.view
        speech = self._whole.speech if self._whole is not None else None
        if not aim.is_direct:
            yield passed(Kind.NAME, f"le nom {aim.host}")
        if aim.service is not None:
            yield passed(Kind.SERVICE, f"le Service {aim.service.name}", self._doors_said())
        for pod, port in aim.doors:
            attempt = self._attempt(pod, port)
            if attempt is not None and not attempt.entered and aim.service is not None:
                yield from self._one_of_several(pod, port, attempt)
                return None
        if view is None or not aim.doors:
            yield passed(Kind.SERVER, aim.target, "la connexion est acceptée")
            if self._client is not None:
                yield from self._client.told(speech, self._ground.cluster)
            return None
        pod, port = aim.doors[0]
        attempt = self._attempt(pod, port)
        yield from networks.crossed(
            self._origin, view, pod, port, attempt.address if attempt else ""
        )
        yield passed(Kind.PROGRAM, f"le pod {pod.name}, port {port}", "un programme y écoute")
        return Arrival(view.namespace, pod, port, self._client is not None, speech)

    def _one_of_several(self, pod: Pod, port: int, attempt: Attempt) -> Iterator[Hop]:
        for hop in self._stopped(pod, port, attempt):
            yield hop if hop.status is Status.PASSED else selections.of_several(self._aim, pod, hop)

    def _doors_said(self) -> str:
        """Where the Service leads, in a sentence."""
        found = [f"{pod.name}:{port}" for pod, port in self._aim.doors]
        return f"mène à {', '.join(found)}" if found else ""

    def _out_of_sight(self, whole: Attempt | None) -> Hop:
        """Nothing shows what is behind the name: another's namespace, or what is outside."""
        aim, cluster = self._aim, self._ground.cluster
        if whole is None:
            not_tried = lessons.NotTried(why=self._why_not)
            return unknown(Kind.SERVER, aim.target, not_tried, cluster)
        held = networks.held_back_unseen(self._origin, aim, whole)
        if held is not None:
            return held
        if not aim.namespace:
            failing = lessons.FailsOtherwise(said=whole.said)
            return unknown(Kind.SERVER, aim.target, failing, cluster)
        name = aim.host.partition(".")[0]
        unseen = lessons.OutOfSight(
            target=aim.target,
            name=name,
            port=aim.port,
            answer=_answered(whole),
            place=aim.namespace,
            why=lessons.WHY_SILENT if whole.trouble is Trouble.SILENT else lessons.WHY_REFUSED,
        )
        return unknown(Kind.SERVICE, f"le Service {name} de {aim.namespace}", unseen, cluster)


def _answered(attempt: Attempt) -> str:
    if attempt.trouble is Trouble.REFUSED:
        return lessons.REFUSES
    if attempt.trouble is Trouble.SILENT:
        return lessons.SILENT
    return lessons.FAILS.format(attempt.said)
