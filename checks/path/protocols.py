"""What answers at the end of a path, and whether it is what its client would speak.

A path leads where TCP does: what is heard there is told, and is a fault only where the caller said
what was wanted.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from checks.capabilities import Cluster
from checks.exchange.spoken import Connect, Protocol, Speech, spoken
from checks.facts import Pod
from checks.lesson import Lesson
from checks.path import lessons
from checks.path.aims import Aim
from checks.path.ends import Wanted
from checks.path.outcome import Hop, Kind, broken, passed, unknown

_PLACE = "ce qui répond"
_POSTGRES = (Speech.POSTGRES, Speech.POSTGRES_WITHOUT_TLS, Speech.POSTGRES_IN_TLS)
_UNDERSTOOD = {
    Protocol.HTTP: (Speech.HTTP,),
    Protocol.HTTPS: (Speech.HTTPS, Speech.TLS),
    Protocol.POSTGRESQL: _POSTGRES,
}
_TLS_OR_NOTHING = ("require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class Client:
    """Who would speak at the end of a path. `host` and `port`: as it writes them; `wanted`: what
    it would speak, None where that was not said."""

    host: str
    port: int
    wanted: Wanted | None = None

    def hears(self, connect: Connect, hints: Iterable[int | str] = ()) -> Speech | None:
        """What is spoken where `connect` leads. `hints`: what the ports on the way are called, and
        their numbers; they say what is asked first, and nothing else."""
        wanted = self.wanted.protocol if self.wanted is not None else None
        return spoken(connect, self.host, wanted, _usual([*hints, self.port]))

    def told(self, speech: Speech | None, cluster: Cluster) -> Iterator[Hop]:
        """The hop of what was heard; none where it is not known, and nothing was wanted."""
        if self.wanted is None:
            if speech is not None:
                yield passed(Kind.PROTOCOL, _PLACE, lessons.OBSERVED[speech])
            return
        target = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        if speech is None:
            unheard = lessons.NotHeard(
                target=target, wanted=lessons.PROTOCOLS[self.wanted.protocol]
            )
            yield unknown(Kind.PROTOCOL, _PLACE, unheard, cluster)
            return
        wrong = _wrong(self.wanted, speech, target)
        if wrong is not None:
            yield broken(Kind.PROTOCOL, _PLACE, wrong, cluster)
        else:
            yield passed(Kind.PROTOCOL, _PLACE, lessons.OBSERVED[speech])


def hints(aim: Aim) -> Iterator[int | str]:
    """What is written of the ports by which one comes to a server."""
    if aim.entry is not None:
        yield from (aim.entry.app_protocol, aim.entry.name)
    for pod, port in aim.doors[:1]:
        yield from hints_of(pod, port)
    yield aim.port


def hints_of(pod: Pod, port: int) -> Iterator[int | str]:
    """The same, of a pod's own."""
    yield from (one.name for box in pod.containers for one in box.ports if one.number == port)
    yield port


def _usual(hints: Iterable[int | str]) -> Protocol | None:
    """What a port is for, by its name, or by its number as this machine knows it."""
    for hint in hints:
        with contextlib.suppress(OSError, ValueError):
            return Protocol(socket.getservbyport(hint) if isinstance(hint, int) else hint)
    return None


def _wrong(wanted: Wanted, speech: Speech, target: str) -> Lesson | None:
    """Why a client does not get on with what it meets; None where it does."""
    if (wanted.protocol, speech) == (Protocol.HTTP, Speech.HTTPS):
        return lessons.AnswersInTls(target=target, right=Wanted(Protocol.HTTPS).address(target))
    if (wanted.protocol, speech) == (Protocol.HTTPS, Speech.HTTP):
        return lessons.AnswersInClear(target=target, right=Wanted(Protocol.HTTP).address(target))
    if speech not in _UNDERSTOOD[wanted.protocol]:
        return lessons.AnotherProtocol(
            target=target,
            scheme=wanted.protocol.value,
            wanted=lessons.PROTOCOLS[wanted.protocol],
            spoken=lessons.SPEECHES[speech],
        )
    if speech is Speech.POSTGRES_WITHOUT_TLS and wanted.sslmode in _TLS_OR_NOTHING:
        right = replace(wanted, sslmode="prefer").address(target)
        return lessons.PostgresWithoutTls(target=target, mode=wanted.sslmode, right=right)
    if speech is Speech.POSTGRES_IN_TLS and wanted.sslmode == "disable":
        right = replace(wanted, sslmode="require").address(target)
        return lessons.PostgresInTls(target=target, right=right)
    return None
