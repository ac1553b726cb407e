"""Which namespaces really reach a database: one connection from each, tried at the same time, by
pods of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from checks.capabilities import Cluster, Probe
from checks.diagnosis.policies.decision import Peer, decide
from checks.errors import Unverifiable, UsageError
from checks.exchange.postgres import NotPostgres, PostgresServer, identify
from checks.facts import PROBE_LABEL, ForwardRefused, Pod
from checks.interruption import pause
from checks.waiting import Deadline

_SETTLES = 4.0  # seconds: the network follows a new pod or policy within one, on an idle machine
_PAUSE = 0.3
PROBE_LABELS = {PROBE_LABEL: "oui"}


@dataclass(frozen=True)
class Way:
    """A path to try. `allowed` is what the policies mean for it, None when that is not known."""

    target: str
    allowed: bool | None


@dataclass(frozen=True)
class Attempt:
    """What a probe found at the end of a path. `server` None: nothing that speaks PostgreSQL, and
    `said` why."""

    server: PostgresServer | None
    said: str
    ip: str

    @property
    def entered(self) -> bool:
        """Whether a connection was made, whatever answered."""
        return self.server is not None


Attempts = Mapping[str, Attempt]
"""By target."""


@dataclass(frozen=True)
class Trial:
    """All the attempts of one round; each raises Unverifiable where it could not be made.

    `enforced`: the control, whether this cluster enforces NetworkPolicy. None where no access is at
    hand.
    """

    enforced: Future[bool]
    own: Future[Attempts]
    colleague: Future[Attempts] | None
    outsider: Future[Attempts] | None
    outsider_namespace: str = ""


@dataclass(frozen=True)
class Ways:
    """The paths to try from each namespace."""

    own: Sequence[Way]
    colleague: Sequence[Way]
    outsider: Sequence[Way]


def trial(cluster: Cluster, ways: Ways) -> Trial:
    """The attempts, all made at the same time; they have ended when it returns."""
    colleague = cluster.as_owner(cluster.colleague.namespace)
    outsider = _outsider(cluster)
    with ThreadPoolExecutor(4) as pool:
        return Trial(
            enforced=pool.submit(lambda: cluster.enforces_policies),
            own=pool.submit(_try, cluster, ways.own),
            colleague=pool.submit(_try, colleague, ways.colleague) if colleague else None,
            outsider=pool.submit(_try, outsider, ways.outsider) if outsider else None,
            outsider_namespace=outsider.namespace if outsider else "",
        )


def _outsider(cluster: Cluster) -> Cluster | None:
    """Somebody else's namespace, from which a probe of ours may leave."""
    return next(filter(None, (may_leave(cluster, one) for one in cluster.outsiders())), None)


def may_leave(cluster: Cluster, namespace: str) -> Cluster | None:
    """A namespace as its owner sees it, where its own policies let a probe of ours go where it
    likes: held back at home, it would prove nothing. None elsewhere."""
    there = cluster.as_owner(namespace)
    with contextlib.suppress(UsageError):  # an access may outlive its namespace
        if there is not None and not held_back(there):
            return there
    return None


def held_back(there: Cluster) -> Sequence[str]:
    """The policies of `there` that restrict what a probe of ours, or any pod without labels, may
    reach from there."""
    probe = Pod("", there.namespace, "", PROBE_LABELS, "", False, False, "", (), datetime.now(UTC))
    return decide(there.network_policies(), probe, Peer(""), 0, direction="Egress").selecting


def _try(there: Cluster, ways: Sequence[Way]) -> Attempts:
    with (
        there.probe([way.target for way in ways]) as probe,
        ThreadPoolExecutor(max(1, len(ways))) as pool,
    ):
        made = pool.map(lambda way: _attempt(probe, way), ways)
        return {way.target: attempt for way, attempt in zip(ways, made, strict=True)}


def _attempt(probe: Probe, way: Way) -> Attempt:
    """One path; tried again for a moment when it is not what the policies mean."""
    deadline = Deadline(_SETTLES)
    while True:
        attempt = _once(probe, way.target)
        if way.allowed in (None, attempt.entered) or deadline.passed:
            return attempt
        pause(_PAUSE)


def _once(probe: Probe, target: str) -> Attempt:
    deadline = Deadline(_SETTLES)
    while True:
        try:
            with probe.connect(target) as connection:
                return Attempt(identify(connection), "", probe.ip)
        except NotPostgres as silence:
            return Attempt(None, probe.said(target) or str(silence), probe.ip)
        except (
            ForwardRefused,
            Unverifiable,
            OSError,
        ) as trouble:  # our own probe may be opening its port
            if deadline.passed:
                raise Unverifiable(
                    f"Une sonde ne répond pas : {trouble}.", "Relancez la commande dans un instant."
                ) from trouble
            pause(_PAUSE)
