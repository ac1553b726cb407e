"""The base that is judged: what the policies mean for it, and what the connections from three
namespaces found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.connections.services import Address, addresses
from checks.diagnosis.databases.catalogue import PORT, Database, databases, ready_pods
from checks.diagnosis.policies.allowed import Circle, administrators
from checks.diagnosis.policies.decision import Decision, Peer, decide
from checks.diagnosis.policies.explanations import astray
from checks.diagnosis.policies.reachability import PROBE_LABELS, Attempt, Trial, Way, Ways, trial
from checks.diagnosis.policies.strangers import Reading
from checks.errors import Unverifiable
from checks.facts import PROBE_LABEL, Pod
from checks.objects.policies import NetworkPolicy

_STRANGER = "cahier-namespace-inconnu"


class NotEnforced(Unverifiable):
    """This cluster does not enforce NetworkPolicies: what they mean proves nothing."""


@dataclass(frozen=True)
class Subject:
    """A database, the name by which other pods call it, and what the policies mean for each of
    three namespaces."""

    database: Database
    pod: Pod
    address: Address
    own: Decision
    colleague: Decision
    stranger: Decision


@dataclass(frozen=True)
class Seen:
    """The database that is judged, and what the connections found; None: no probe could be placed
    there."""

    subject: Subject
    own: Attempt
    colleague: Attempt | None
    outsider: Attempt | None
    outsider_namespace: str


def policies(cluster: Cluster) -> Sequence[NetworkPolicy]:
    """The namespace's policies, without those of our own experiments."""
    return [one for one in cluster.network_policies() if PROBE_LABEL not in one.metadata.labels]


def written_here(cluster: Cluster) -> Sequence[NetworkPolicy]:
    """The policies that came with no database: the learner's own."""
    known = databases(cluster)
    return [
        one
        for one in policies(cluster)
        if not any(_from_catalogue(one, database) for database in known)
    ]


def _from_catalogue(policy: NetworkPolicy, database: Database) -> bool:
    """Whether the platform's form made it with the database."""
    instance = policy.metadata.labels.get("app.kubernetes.io/instance")
    return database.release in (policy.name, instance)


def peer(namespace: str, attempt: Attempt | None = None) -> Peer:
    """A pod of that namespace: any of them, hence without labels of its own; the probe, where one
    was placed."""
    return Peer(namespace, PROBE_LABELS, ip=attempt.ip if attempt else "")


def meant(
    cluster: Cluster, subject: Subject, namespace: str, attempt: Attempt | None = None
) -> Decision:
    """What the policies mean for a pod of that namespace; for the probe, where one was placed."""
    return decide(policies(cluster), subject.pod, peer(namespace, attempt), PORT)


def seen(cluster: Cluster) -> Seen:
    """What the connections found about the database that the learner opens. Raises Unverifiable.

    Everything is tried once per round, at the same time; with several databases, the best opened
    one counts.
    """
    tried = cluster.once(_tried)
    if not tried.enforced.result():
        raise NotEnforced(
            "Ce cluster n’applique pas les NetworkPolicies : dans l’expérience témoin, un pod "
            "fermé par une policy a laissé entrer un client. Ce que vaut la vôtre ne peut donc pas "
            "être prouvé ici.",
            "Refaites ce TP sur le cluster local (cahier cluster creer), dont le réseau les "
            "applique.",
        )
    return max(
        (_seen(one, tried) for one in subjects(cluster)), key=lambda one: _score(cluster, one)
    )


def reading(cluster: Cluster) -> Reading:
    """The policies as they apply to the base's pod, beside what the connections showed. Raises
    Unverifiable."""
    found = seen(cluster)
    made = [one for one in (found.own, found.colleague, found.outsider) if one]
    outsider = found.outsider
    return reading_of(
        cluster,
        found.subject,
        addresses=[one.ip for one in made],
        tried=peer(found.outsider_namespace, outsider) if outsider else None,
        entered=outsider is not None and outsider.entered,
    )


def reading_of(
    cluster: Cluster,
    subject: Subject,
    addresses: Sequence[str] = (),
    tried: Peer | None = None,
    *,
    entered: bool = False,
) -> Reading:
    """The same of one database. `addresses`: of our own pods; `tried`: somebody else's, from which
    a connection was made, `entered` whether it came in."""
    colleague = cluster.colleague.namespace
    circle = Circle(
        namespaces=frozenset({cluster.namespace, colleague}),
        administrators=administrators(cluster, [colleague]),
        addresses=[*(one.ip for one in cluster.pods() if one.ip), *addresses],
        tried=tried,
        entered=entered,
    )
    return Reading(policies(cluster), subject.pod, PORT, circle)


def _tried(cluster: Cluster) -> Trial:
    found = subjects(cluster)
    return trial(
        cluster,
        Ways(
            own=[Way(one.address.target, one.own.allowed) for one in found],
            colleague=[Way(one.address.target, one.colleague.allowed) for one in found],
            outsider=[Way(one.address.target, one.stranger.allowed) for one in found],
        ),
    )


def subjects(cluster: Cluster) -> Sequence[Subject]:
    """The databases that a Service leads to."""
    known = policies(cluster)
    found = []
    for database, pod in ready_pods(cluster):
        for address in addresses(cluster, pod)[:1]:
            own, colleague, stranger = (
                decide(known, pod, peer(namespace), PORT)
                for namespace in (cluster.namespace, cluster.colleague.namespace, _STRANGER)
            )
            found.append(Subject(database, pod, address, own, colleague, stranger))
    if not found:
        raise Unverifiable(
            "Le Service de la base a changé pendant la vérification.", "Relancez la commande."
        )
    return found


def _seen(subject: Subject, tried: Trial) -> Seen:
    target = subject.address.target
    return Seen(
        subject,
        tried.own.result()[target],
        tried.colleague.result()[target] if tried.colleague else None,
        tried.outsider.result()[target] if tried.outsider else None,
        tried.outsider_namespace,
    )


def _score(cluster: Cluster, one: Seen) -> tuple[int, int]:
    """How many of the three namespaces are treated as they should be; then, how many policies the
    learner wrote."""
    subject = one.subject
    entered = one.colleague.entered if one.colleague else subject.colleague.allowed is True
    leaks = one.outsider.entered if one.outsider else subject.stranger.allowed is True
    written = written_here(cluster)
    return (
        one.own.entered + entered + (not leaks),
        sum(astray(policy, subject.pod) is None for policy in written),
    )
