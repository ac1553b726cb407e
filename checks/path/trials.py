"""Real connections, made from where the traffic would come: by a pod of ours that policies take for
the one that goes, or by ourselves where we work in that very pod."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from checks.capabilities import Probe
from checks.diagnosis.workloads.program_logs import Trouble, cleaned, told
from checks.errors import Unverifiable
from checks.exchange.spoken import Connect, Speech
from checks.facts import ForwardRefused, ProbeTold
from checks.interruption import pause
from checks.path.ground import Origin
from checks.waiting import Deadline

_SETTLES = 4.0  # seconds: the network follows a new pod or policy within one, on an idle machine
_ANSWERS = 3.0  # seconds for an attempt to end: the probe's own patience, and its log
_CONNECT = 2.0  # seconds
_PAUSE = 0.1


@dataclass(frozen=True)
class Way:
    """A path to try, `host:port`. `allowed`: what the policies mean for a client of an address,
    None where that is not known. `hears`: what is asked of who answers, None for nothing."""

    host: str
    port: int
    allowed: Callable[[str], bool | None] = lambda _address: None
    hears: Callable[[Connect], Speech | None] | None = None

    @property
    def target(self) -> str:
        """As it is written for a client."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Attempt:
    """What became of a connection. `trouble` None where it was made, or failed otherwise: `said`
    tells how. `address`: of who tried. `speech`: what was heard there, where it was asked."""

    entered: bool
    trouble: Trouble | None = None
    said: str = ""
    address: str = ""
    speech: Speech | None = None


Attempts = Mapping[str, Attempt]
"""By target."""


def attempts(origin: Origin, ways: Sequence[Way]) -> Attempts:
    """What becomes of each way. Raises Unverifiable where none can be tried."""
    if origin.here:
        return _at_once(
            ways,
            lambda way: _heard(way, _settled(way, "", _from_here), partial(_from_here_to, way)),
        )
    with origin.view.probe([way.target for way in ways], beside=origin.pod) as probe:
        return _at_once(
            ways,
            lambda way: _heard(
                way,
                _settled(way, probe.ip, lambda one: _through(probe, one)),
                partial(probe.connect, way.target),
            ),
        )


def _at_once(ways: Sequence[Way], attempt: Callable[[Way], Attempt]) -> Attempts:
    with ThreadPoolExecutor(max(1, len(ways))) as pool:
        made = pool.map(attempt, ways)
        return {way.target: one for way, one in zip(ways, made, strict=True)}


def _heard(way: Way, found: Attempt, connect: Connect) -> Attempt:
    """With what is heard at the end of a way that leads there."""
    if way.hears is None or not found.entered:
        return found
    return replace(found, speech=way.hears(connect))


def _settled(way: Way, address: str, attempt: Callable[[Way], Attempt]) -> Attempt:
    """One way; tried again for a moment when it is not what the policies mean, or is not known by
    its name yet."""
    deadline = Deadline(_SETTLES)
    allowed = way.allowed(address)
    while True:
        found = attempt(way)
        as_meant = allowed is found.entered or (allowed is None and found.entered)
        # neither is a policy's doing: asking again would not change it
        elsewhere = found.trouble in (Trouble.UNKNOWN_HOST, Trouble.REFUSED)
        if as_meant or elsewhere or deadline.passed:
            return found
        pause(_PAUSE)


def _through(probe: Probe, way: Way) -> Attempt:
    """Asked again while our own probe opens its port."""
    deadline = Deadline(_ANSWERS)
    while True:
        before = probe.told(way.target)
        try:
            with probe.connect(way.target):
                return _ended(probe, way, before)
        except (ForwardRefused, OSError) as trouble:
            if deadline.passed:
                raise Unverifiable(
                    f"Une sonde ne répond pas : {trouble}.", "Relancez la commande dans un instant."
                ) from trouble
            pause(_PAUSE)


def _ended(probe: Probe, way: Way, before: ProbeTold) -> Attempt:
    deadline = Deadline(_ANSWERS)
    while not deadline.passed:
        now = probe.told(way.target)
        if now.failure != before.failure:
            trouble = told(now.failure)
            words = trouble.words if trouble else cleaned(now.failure.splitlines()[-1])
            return Attempt(False, trouble.trouble if trouble else None, words, probe.ip)
        if now.made > before.made:
            return Attempt(True, address=probe.ip)
        pause(_PAUSE)
    return Attempt(False, Trouble.SILENT, "aucune réponse", probe.ip)


def _from_here_to(way: Way) -> socket.socket:
    return socket.create_connection((way.host, way.port), _CONNECT)


def _from_here(way: Way) -> Attempt:
    try:
        with _from_here_to(way):
            return Attempt(True)
    except socket.gaierror as error:
        return Attempt(False, Trouble.UNKNOWN_HOST, str(error))
    except ConnectionRefusedError as error:
        return Attempt(False, Trouble.REFUSED, str(error))
    except TimeoutError as error:
        return Attempt(False, Trouble.SILENT, str(error))
    except OSError as error:
        trouble = told(str(error))
        return Attempt(False, trouble.trouble if trouble else None, str(error))
