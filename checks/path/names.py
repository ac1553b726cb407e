"""Whether a name is known to the cluster's DNS, and why not."""

from __future__ import annotations

import difflib

from checks.capabilities import Cluster
from checks.diagnosis.connections.dns import require_dns
from checks.diagnosis.policies.decision import Peer
from checks.diagnosis.workloads.program_logs import Trouble
from checks.lesson import Lesson, Names
from checks.objects.parts import named
from checks.path import lessons
from checks.path.aims import Aim
from checks.path.ground import Ground, Origin
from checks.path.outcome import Hop, Kind, Proof, broken, unknown
from checks.path.trials import Attempt

_DNS_PORT = 53
_DNS = Peer("kube-system", {"k8s-app": "kube-dns"})
"""The pods of the cluster's DNS, by the label that kubeadm, kops and the managed clusters give
them."""


def broken_name(ground: Ground, origin: Origin, aim: Aim, attempt: Attempt | None) -> Hop | None:
    """The hop of a name that does not resolve; None where it does, or where its Service explains
    that it has no address."""
    if attempt is None:
        return _as_read(ground, aim)
    if attempt.trouble is not Trouble.UNKNOWN_HOST:
        return None
    held = _held_back(origin, aim)
    if held is not None:
        return held
    place = f"le nom {aim.host}"
    if aim.view is None:
        require_dns(ground.cluster)
        return broken(Kind.NAME, place, lessons.NoSuchName(host=aim.host), ground.cluster)
    if aim.service is None:
        return broken(Kind.NAME, place, _nothing_called_so(ground, aim, aim.view), aim.view)
    if aim.service.is_headless and not aim.doors:
        return None
    right = _right_name(origin, aim)
    if aim.host not in _spellings(aim, origin):
        lesson: Lesson = lessons.MisspelledName(
            host=aim.host, name=aim.service.name, place=aim.namespace, right=right
        )
        return broken(Kind.NAME, place, lesson, aim.view)
    require_dns(ground.cluster)
    lesson = lessons.NotKnownYet(name=aim.service.name, host=aim.host)
    return unknown(Kind.NAME, place, lesson, aim.view)


def _as_read(ground: Ground, aim: Aim) -> Hop | None:
    """The same where nothing was tried."""
    if aim.view is None or aim.service is not None:
        return None
    lesson = _nothing_called_so(ground, aim, aim.view)
    return broken(Kind.NAME, f"le nom {aim.host}", lesson, aim.view, Proof.READ)


def _nothing_called_so(ground: Ground, aim: Aim, view: Cluster) -> Lesson:
    name = aim.host.partition(".")[0]
    elsewhere = [
        other.namespace
        for other in ground.views
        if other.namespace != aim.namespace and named(other.services(), name) is not None
    ]
    near = difflib.get_close_matches(name, [one.name for one in view.services()], 1)
    if elsewhere and not near:
        there = elsewhere[0]
        said = f" Le namespace {there} en a un."
        right = f"{name}.{there}.svc.cluster.local"
        return lessons.ElsewhereInstead(
            host=aim.host, name=name, place=view.namespace, near=said, right=right
        )
    said = f" Il y a « {near[0]} »." if near else ""
    return lessons.NoSuchService(host=aim.host, name=name, place=view.namespace, near=said)


def _held_back(origin: Origin, aim: Aim) -> Hop | None:
    """Where the policies of who goes govern what leaves it, and do not let it ask the DNS."""
    found = [origin.leaving(_DNS, _DNS_PORT, protocol) for protocol in ("UDP", "TCP")]
    selecting = found[0].selecting
    if not selecting or found[0].allowed:
        return None
    lesson = lessons.NameHeldBack(who=origin.said, host=aim.host, policies=Names(selecting))
    place = f"ce qui sort de {origin.view.namespace}"
    if found[0].allowed is False:
        return broken(Kind.EGRESS, place, lesson, origin.view)
    return unknown(Kind.EGRESS, place, lesson, origin.view)


def _spellings(aim: Aim, origin: Origin) -> list[str]:
    """How the Service may be named."""
    assert aim.service is not None
    full = f"{aim.service.name}.{aim.namespace}"
    short = [aim.service.name] if origin.view.namespace == aim.namespace else []
    whole = f"{full}.svc.cluster.local"
    return [*short, full, f"{full}.svc", whole, f"{whole}."]


def _right_name(origin: Origin, aim: Aim) -> str:
    assert aim.service is not None
    name = aim.service.name
    return name if origin.view.namespace == aim.namespace else f"{name}.{aim.namespace}"
