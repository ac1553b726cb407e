"""Why those who should reach the base do not: one's own pods, and the colleague's."""

from __future__ import annotations

from collections.abc import Iterator

from checks.capabilities import Cluster
from checks.diagnosis.connections.services import leads_only_to
from checks.diagnosis.databases.catalogue import PORT, other_bases, server_in
from checks.diagnosis.databases.colleague_base import as_typed
from checks.diagnosis.policies.decision import decide
from checks.diagnosis.policies.explanations import nearest
from checks.diagnosis.policies.other_enforcers import require_decided
from checks.diagnosis.policies.reachability import Attempt, held_back
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, PostgresServer
from checks.facts import ForwardRefused
from checks.lesson import Clause, Lesson, Names
from checks.shell import one_word

from . import lessons
from .judged_base import Seen, Subject, meant, peer, policies, written_here
from .remedies import closed, deleted, one_server_only, repaired


def shut_out_at_home(cluster: Cluster, found: Seen) -> Lesson:
    """Why a pod of the learner's own namespace has not reached the base."""
    subject, pod = found.subject, found.subject.pod.name
    decision = meant(cluster, subject, cluster.namespace, found.own)
    failing = lessons.NoAnswer(place=cluster.namespace, address=subject.address.name)
    leaving = Names(held_back(cluster))
    if decision.allowed and leaving:
        remedy = (
            *(deleted(cluster, name) for name in leaving),
            *repaired(cluster, subject, leaving),
        )
        return lessons.MayNotLeave(failing=failing, leaving=leaving, pod=pod, commands=remedy)
    if decision.allowed is not False:
        return _unexplained(found.own, failing, subject)
    closing = Names(decision.selecting)
    return lessons.NotAdmittedAtHome(
        failing=failing, closing=closing, pod=pod, commands=(closed(cluster, subject),)
    )


def shut_out_from_the_colleague(cluster: Cluster, subject: Subject, attempt: Attempt) -> Lesson:
    """Why a pod of the colleague's has not reached the base. Raises Unverifiable where they keep it
    in themselves."""
    there = cluster.colleague.namespace
    decision = meant(cluster, subject, there, attempt)
    failing = lessons.NoAnswer(place=there, address=subject.address.name)
    if not decision.allowed:
        return _not_opened(cluster, subject, failing, attempt)
    _require_free_to_leave(cluster, there)
    return _unexplained(attempt, failing, subject)


def _require_free_to_leave(cluster: Cluster, there: str) -> None:
    """Raises Unverifiable where a policy of the colleague's keeps their pods from leaving."""
    colleague = cluster.as_owner(there)
    leaving = Names(held_back(colleague) if colleague is not None else ())
    if leaving:
        raise Unverifiable(
            f"Vos policies admettent {there}, mais {leaving} y {leaving:gouverne|gouvernent} ce "
            "qui en sort : la connexion n’aboutit pas, et ce n’est pas de votre fait.",
            "C’est à votre collègue d’y remédier. Sur le petit SSPCloud local, jouez son rôle : "
            + as_typed(there, " ".join(("kubectl delete networkpolicy", *map(one_word, leaving)))),
        )


def not_admitted_as_read(cluster: Cluster, subject: Subject) -> Lesson | None:
    """Why the policies, read without a connection, keep the colleague out; None where they admit
    them.

    Raises Unverifiable where reading them is no proof.
    """
    there, address = cluster.colleague.namespace, subject.address
    decision = meant(cluster, subject, there)
    if decision.allowed is None:
        raise Unverifiable(
            f"Le namespace {there} est peut-être admis par « {decision.by} », mais cela dépend de "
            "ce que ce poste ne peut pas lire : ses étiquettes, ou les adresses de ses pods.",
            f"Votre collègue peut l’essayer : kubectl run essai --rm -it --image=busybox:1.36 -- "
            f"nc -zv {address.name} {address.port}",
        )
    require_decided(cluster, there, admitted=decision.allowed)
    return (
        None
        if decision.allowed
        else _not_opened(cluster, subject, lessons.NotAdmittedAsRead(place=there), None)
    )


def _not_opened(
    cluster: Cluster, subject: Subject, failing: Clause, attempt: Attempt | None
) -> Lesson:
    """What the policies lack to open the base to the colleague."""
    near = nearest(
        written_here(cluster), subject.pod, peer(cluster.colleague.namespace, attempt), PORT
    )
    if near is None:
        return lessons.NotOpened(
            failing=failing,
            besides="".join(map(str, _besides(cluster, subject))),
            closing=Names(subject.colleague.selecting),
            pod=subject.pod.name,
            commands=repaired(cluster, subject),
        )
    return lessons.NearlyOpened(
        failing=failing,
        policy=near.policy,
        faults=" ; ".join(fault.said for fault in near.faults),
        cause_of_the_first=near.faults[0].cause,
        port=PORT,
        pod=subject.pod.name,
        commands=repaired(cluster, subject, [near.policy]),
    )


def _besides(cluster: Cluster, subject: Subject) -> Iterator[Clause]:
    """What may make the learner believe that the base is open."""
    there = cluster.colleague.namespace
    colleague = cluster.as_owner(there)
    elsewhere = [
        policy.name
        for policy in (policies(colleague) if colleague else ())
        if decide([policy], subject.pod, peer(there), PORT).by
    ]
    if elsewhere:
        yield lessons.RightInTheWrongNamespace(policy=elsewhere[0], place=there)
    if others := other_bases(cluster, subject.database.release):
        yield lessons.OtherBasesClosedToo(bases=others)


def _unexplained(attempt: Attempt, failing: Clause, subject: Subject) -> Lesson:
    return lessons.Unexplained(
        failing=failing, silence=attempt.said, pod=subject.pod.name, transient=True
    )


def another_server(cluster: Cluster, subject: Subject, reached: Attempt) -> Lesson | None:
    """None when the server that the colleague reached is the one in the pod. Raises
    Unverifiable."""
    inside = _server_inside(cluster, subject)
    answering = reached.server
    if answering is None or answering.fingerprint is None or inside.fingerprint is None:
        _require_one_pod(cluster, subject, inside, answering)
        return None  # PostgreSQL has answered, and the name leads nowhere else
    if answering.fingerprint == inside.fingerprint:
        return None
    return lessons.AnotherServer(
        address=subject.address.name,
        service=subject.address.service,
        pod=subject.pod.name,
        commands=one_server_only(cluster, subject),
    )


def _server_inside(cluster: Cluster, subject: Subject) -> PostgresServer:
    """The server in the base's pod. Raises Unverifiable where it is silent."""
    try:
        return server_in(cluster, subject.pod)
    except (NotPostgres, ForwardRefused) as silence:
        raise Unverifiable(
            f"Le serveur du pod {subject.pod.name} ne répond pas à notre tunnel : {silence}.",
            "Relancez la commande.",
        ) from silence


def _require_one_pod(
    cluster: Cluster, subject: Subject, inside: PostgresServer, answering: PostgresServer | None
) -> None:
    """Raises Unverifiable where a server without a fingerprint may be another one than that of the
    pod."""
    service = subject.address.service
    if leads_only_to(cluster, service, subject.pod):
        return
    said = (answering.refusal if answering else "") or inside.refusal or "il n’utilise pas SCRAM"
    raise Unverifiable(
        f"La connexion aboutit, mais le serveur ne se laisse pas identifier ({said}), et plusieurs "
        f"pods répondent derrière {service}.",
        f"Faites choisir à ce Service le seul pod de la base : kubectl describe service {service}",
    )
