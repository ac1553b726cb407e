"""What the policies of both ends mean for a connection, once it was tried."""

from __future__ import annotations

from collections.abc import Iterator

from checks.capabilities import Cluster
from checks.diagnosis.policies.decision import Decision, Peer, decide
from checks.diagnosis.policies.explanations import nearest
from checks.facts import Pod
from checks.lesson import Lesson, Names
from checks.path import lessons
from checks.path.aims import Aim
from checks.path.ground import Origin, policies
from checks.path.outcome import Hop, Kind, Proof, broken, passed, unknown
from checks.path.trials import Attempt


def _out(origin: Origin, pod: Pod, port: int) -> Decision:
    return origin.leaving(Peer(pod.namespace, pod.labels, ip=pod.ip), port)


def _in(origin: Origin, view: Cluster, pod: Pod, port: int, address: str) -> Decision:
    return decide(policies(view), pod, origin.peer(address), port)


def decision(origin: Origin, view: Cluster, pod: Pod, port: int, address: str) -> Decision:
    """What the policies of both ends decide together."""
    leaving = _out(origin, pod, port)
    entering = _in(origin, view, pod, port, address)
    if leaving.allowed is True:
        return entering
    return leaving if leaving.allowed is False or entering.allowed is not False else entering


def crossed(origin: Origin, view: Cluster, pod: Pod, port: int, address: str) -> Iterator[Hop]:
    """The hops of the policies that apply to a connection which went through."""
    for kind, decided, place in (
        (Kind.EGRESS, _out(origin, pod, port), origin.view.namespace),
        (Kind.INGRESS, _in(origin, view, pod, port, address), view.namespace),
    ):
        if decided.selecting:
            way = "ce qui sort de" if kind is Kind.EGRESS else "ce qui entre dans"
            by = f"admis par « {decided.by} »" if decided.by else "le réseau laisse passer"
            yield passed(kind, f"{way} {place}", by)


def stopped(origin: Origin, view: Cluster, pod: Pod, port: int, attempt: Attempt) -> Iterator[Hop]:
    """The hop at which a connection that found a program is lost on the network."""
    leaving = _out(origin, pod, port)
    entering = _in(origin, view, pod, port, attempt.address)
    out, inside = f"ce qui sort de {origin.view.namespace}", f"ce qui entre dans {view.namespace}"
    if leaving.allowed is False or (leaving.allowed is None and entering.allowed is True):
        yield broken(Kind.EGRESS, out, _held(origin, pod, port, leaving), origin.view)
        return
    if leaving.allowed is None:
        lesson: Lesson = lessons.OneOrTheOther(who=origin.said, pod=pod.name, port=port)
        yield unknown(Kind.EGRESS, out, lesson, origin.view)
        return
    if leaving.selecting:
        by = f"admis par « {leaving.by} »" if leaving.by else ""
        yield passed(Kind.EGRESS, out, by, Proof.READ)
    if entering.allowed is not True:
        yield broken(
            Kind.INGRESS, inside, _kept_out(origin, view, pod, port, attempt, entering), view
        )
        return
    yield unknown(Kind.INGRESS, inside, lessons.FailsOtherwise(said=attempt.said), view)


def held_back_unseen(origin: Origin, aim: Aim, attempt: Attempt) -> Hop | None:
    """The hop of policies of ours that let nothing out to a namespace that cannot be looked at;
    None where they may let something out."""
    found = origin.leaving(Peer(aim.namespace or "", {}), aim.port)
    if not found.selecting or found.allowed is True or attempt.entered:
        return None
    lesson = lessons.HeldBack(
        who=origin.said, pod=aim.target, port=aim.port, policies=Names(found.selecting)
    )
    # labels of a pod that is not seen, and the pod's own port, may be what a rule asks for
    return unknown(Kind.EGRESS, f"ce qui sort de {origin.view.namespace}", lesson, origin.view)


def _held(origin: Origin, pod: Pod, port: int, decided: Decision) -> Lesson:
    return lessons.HeldBack(
        who=origin.said, pod=pod.name, port=port, policies=Names(decided.selecting)
    )


def _kept_out(
    origin: Origin, view: Cluster, pod: Pod, port: int, attempt: Attempt, decided: Decision
) -> Lesson:
    peer, server = origin.peer(attempt.address), f"le pod {pod.name}"
    near = nearest(policies(view), pod, peer, port, server)
    faults = near.faults if near is not None and near.policy in decided.selecting else ()
    said = f" « {near.policy} » : {faults[0].said}." if near is not None and faults else ""
    return lessons.KeptOut(
        who=origin.said,
        pod=pod.name,
        port=port,
        policies=Names(decided.selecting),
        nearest=said,
        rule=faults[0].cause if faults else lessons.KEPT_OUT,
    )
