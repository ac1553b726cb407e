"""How somebody else than the owner and the colleague reaches the base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.capabilities import Cluster
from checks.diagnosis.policies.explanations import how, missing
from checks.diagnosis.policies.other_enforcers import require_only_network_policies
from checks.diagnosis.policies.strangers import Leak, Reading
from checks.errors import Unverifiable
from checks.lesson import Clause, Lesson, Names

from . import lessons
from .judged_base import Seen, Subject, policies
from .remedies import closed, closed_to_others, kept, repaired


def opened_to_the_outsider(cluster: Cluster, found: Seen, read: Reading) -> Lesson:
    """Why the connection from a third namespace was made."""
    subject = found.subject
    failing = lessons.CameIn(place=found.outsider_namespace, address=subject.address.name)
    if not _is_open(subject, read.leaks()):
        return lessons.NotFollowedYet(failing=failing, pod=subject.pod.name, transient=True)
    return _opened(cluster, subject, read, failing)


def require_no_contradiction(found: Seen, read: Reading) -> None:
    """Raises Unverifiable where a third namespace stayed out, and the policies do not explain
    it."""
    if not found.subject.own.selecting or read.contradicted():
        raise Unverifiable(
            f"Vos policies admettent le namespace {found.outsider_namespace}, et pourtant une "
            f"connexion qui en vient n’atteint pas {found.subject.address.name} : autre chose "
            "l’arrête, qui peut en laisser passer d’autres.",
            "Relancez la commande ; si cela dure, signalez-le à l’équipe qui administre le "
            "cluster.",
        )


def opened_as_read(cluster: Cluster, subject: Subject, read: Reading) -> Lesson | None:
    """How the policies admit others, as they are written; None where they do not. Raises
    Unverifiable."""
    leaks = read.leaks()
    if _is_open(subject, leaks):
        require_only_network_policies(cluster, lessons.ADMIT_OTHERS)
        return _opened(cluster, subject, read, lessons.WouldComeIn())
    if leaks:
        ways = " ; ".join(f"« {leak.policy} » : {how(leak)}" for leak in leaks)
        raise Unverifiable(
            f"D’autres namespaces sont peut-être admis, et ce poste ne peut pas le lire. {ways}.",
            "Choisissez le namespace par son nom, avec l’étiquette kubernetes.io/metadata.name.",
        )
    return None


def _is_open(subject: Subject, leaks: Sequence[Leak]) -> bool:
    """Whether the policies let others in: a pod that none of them chooses is open to all."""
    return not subject.own.selecting or any(leak.sure for leak in leaks)


def _opened(cluster: Cluster, subject: Subject, read: Reading, failing: Clause) -> Lesson:
    if subject.own.selecting:
        return _opened_by(cluster, subject, read, failing)
    return _open_to_all(cluster, subject, failing)


def _open_to_all(cluster: Cluster, subject: Subject, failing: Clause) -> Lesson:
    """No policy applies to the pod: there is none, or each chooses other pods."""
    known, pod = policies(cluster), subject.pod.name
    remedy = (closed(cluster, subject), *repaired(cluster, subject))
    if not known:
        return lessons.OpenToAll(failing=failing, pod=pod, commands=remedy)
    meant = missing(known, subject.pod, cluster.pods())
    if meant is None:
        return lessons.OnlyOthersClosed(failing=failing, pod=pod, commands=remedy)
    name, fault = meant
    return lessons.MissedByItsPolicies(
        failing=failing, policy=name, fault=fault, pod=pod, commands=remedy
    )


def _opened_by(cluster: Cluster, subject: Subject, read: Reading, failing: Clause) -> Lesson:
    """Which policies open the base to others, and how."""
    leaks = read.leaks()
    by = Names(dict.fromkeys(leak.policy for leak in leaks))
    besides = "".join(map(str, _besides(subject, read, by)))
    serving = any(read.serves_others(policy) for policy in read.policies if policy.name in by)
    lesson = lessons.OpenedByWhatServesOthers if serving else lessons.OpenedBy
    return lesson(
        failing=failing,
        openings=" ".join(map(str, _openings(leaks))),
        besides=besides,
        policies=by,
        pod=subject.pod.name,
        lines=kept(read, by),
        commands=closed_to_others(cluster, subject, read, by),
        look_first=tuple(
            f"kubectl describe networkpolicy {name} -n {cluster.namespace}" for name in by
        ),
    )


def _besides(subject: Subject, read: Reading, by: Sequence[str]) -> Iterator[Clause]:
    """What chooses the pod, or enters, and is not at fault."""
    if others := [name for name in subject.colleague.selecting if name not in by]:
        yield lessons.ChangesNothing(policies=Names(others))
    if programs := read.programs():
        yield lessons.ProgramsSpared(places=Names(programs))


def _openings(leaks: Sequence[Leak]) -> Iterator[Clause]:
    """All that opens, then all that may open, policy by policy."""
    told: dict[tuple[bool, str], list[str]] = {}
    for leak in leaks:
        told.setdefault((leak.sure, leak.policy), []).append(how(leak))
    for rank, ((sure, name), ways) in enumerate(told.items()):
        opening = (
            lessons.PerhapsOpening if not sure else lessons.AlsoOpening if rank else lessons.Opening
        )
        yield opening(policy=name, ways=" ; ".join(ways))
