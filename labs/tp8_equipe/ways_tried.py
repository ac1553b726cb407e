"""The ways into a shared database, tried for real where somebody's access is at hand, reasoned
elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from checks.capabilities import Cluster, Probe
from checks.diagnosis.policies.allowed import Circle, administrators
from checks.diagnosis.policies.decision import Peer, decide
from checks.diagnosis.policies.explanations import how
from checks.diagnosis.policies.other_enforcers import require_only_network_policies
from checks.diagnosis.policies.reachability import may_leave
from checks.diagnosis.policies.strangers import Leak, Reading
from checks.diagnosis.rights.people import Person, lacks_tunnel
from checks.diagnosis.rights.team import members, people_at_hand, user_of
from checks.errors import AccessError, Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import ForwardRefused
from checks.interruption import pause
from checks.waiting import Deadline

from . import lessons
from .admission import dressed, lacking
from .ways_in import Door, doors, fingerprint

_OPENS = 2.0  # seconds: a probe's ports
_SETTLES = 4.0  # seconds: the network follows a new pod or policy within one, on an idle machine


@dataclass(frozen=True)
class Visit:
    """What a pod of ours in a namespace found: who it was, and the addresses of the doors that it
    reached for real."""

    peer: Peer
    reached: frozenset[str]


@dataclass(frozen=True)
class Survey:
    """What was found of the ways in, for all the checks of a round."""

    tunnels: Mapping[str, str]
    """What each member lacks for a tunnel; "" for nothing."""
    opened: Mapping[str, bool]
    """Whether the tunnel that a member may open was opened for real, where it could be tried."""
    visits: Mapping[str, Visit]
    """What was found from a namespace, where it could be tried."""
    outside: str
    """The namespace, of those tried, of somebody who is not of the team; "" for none."""


def survey(cluster: Cluster) -> Survey:
    """The ways in, tried once for all the checks of a round. Raises Unverifiable."""
    return cluster.once(_survey)


def _survey(cluster: Cluster) -> Survey:
    ways, team = doors(cluster), members(cluster)
    tunnels: dict[str, str] = {}
    doorways: dict[str, Door] = {}
    for member in team:
        lacks = [lacking(cluster, member, door.pod) for door in ways]
        tunnels[member] = "" if "" in lacks else lacks[0]
        if "" in lacks:
            doorways[member] = ways[lacks.index("")]
    outside = next((name for name in _strangers(cluster) if may_leave(cluster, name)), "")
    places = [member for member in team if tunnels[member]] + ([outside] if outside else [])
    with ThreadPoolExecutor(
        len(places) + len(doorways) + 1
    ) as pool:  # a probe for each namespace, all at once
        tried = [pool.submit(_tried_from, cluster, place) for place in places]
        opening = [
            pool.submit(_really_opens, cluster, member, door) for member, door in doorways.items()
        ]
        visits = {place: one.result() for place, one in zip(places, tried, strict=True)}
        opened = {member: one.result() for member, one in zip(doorways, opening, strict=True)}
    return Survey(
        tunnels,
        {member: answer for member, answer in opened.items() if answer is not None},
        {place: answer for place, answer in visits.items() if answer is not None},
        outside if visits.get(outside) else "",
    )


def _really_opens(cluster: Cluster, member: str, door: Door) -> bool | None:
    """Whether the member's own tunnel reaches the base; None where it cannot be tried."""
    there = cluster.as_owner(member, cluster.namespace)
    own = Person(user_of(cluster, member), "")
    if there is None or lacks_tunnel(cluster, own, door.pod.name):
        return None  # their access is not at hand, or the right is that of their pods
    try:
        with there.kubectl_forward(door.pod.name, door.port) as end:
            return identify(end).fingerprint == fingerprint(cluster)
    except Unverifiable:
        return None
    except (NotPostgres, ForwardRefused, OSError):
        return False


def _tried_from(cluster: Cluster, namespace: str) -> Visit | None:
    """What a pod of `namespace` reaches for real; None where it cannot be tried."""
    there = cluster.as_owner(namespace)
    if there is None:
        return None
    ways = doors(cluster)
    worn = [dressed(cluster, door.pod, door.port, namespace) for door in ways]
    labels = next((labels for labels, decision in worn if decision.allowed is not False), {})
    expected = fingerprint(cluster)
    try:
        with (
            there.probe([door.address for door in ways], labels) as probe,
            ThreadPoolExecutor(len(ways)) as pool,
        ):
            tries = [
                pool.submit(_answers, probe, door.address, expected, decision.allowed is True)
                for door, (_, decision) in zip(ways, worn, strict=True)
            ]
            answers = [one.result() for one in tries]
            peer = Peer(namespace, labels, ip=probe.ip)
    except (Unverifiable, AccessError):
        return None
    return Visit(
        peer, frozenset(door.address for door, answer in zip(ways, answers, strict=True) if answer)
    )


def _answers(probe: Probe, target: str, expected: str, admitted: bool) -> bool:
    """Whether the base answers there; tried again for a moment where the policies mean that it
    does."""
    settled, opened = Deadline(_SETTLES if admitted else 0.0), Deadline(_OPENS)
    while True:
        try:
            with probe.connect(target) as end:
                return identify(end).fingerprint in (expected, None)  # an error is an answer too
        except NotPostgres:
            over = settled.passed
        except (ForwardRefused, Unverifiable, OSError):  # the probe may be opening its ports
            over = opened.passed
        if over:
            return False
        pause(0.2)


def _strangers(cluster: Cluster) -> Sequence[str]:
    """People at hand who must stay outside, those whom the policies let in first."""
    team = {*members(cluster), cluster.namespace}

    def closed(name: str) -> bool:
        return all(
            dressed(cluster, door.pod, door.port, name)[1].allowed is False
            for door in doors(cluster)
        )

    return sorted((name for name in people_at_hand(cluster) if name not in team), key=closed)


def reading(cluster: Cluster, door: Door) -> Reading:
    """The policies as they apply to a door, beside what a connection from outside the team
    showed."""
    found = survey(cluster)
    visit = found.visits.get(found.outside)
    alone = by_itself(cluster, door)
    visitors = [one.peer.ip for one in found.visits.values()]
    circle = replace(
        alone.circle,
        addresses=[*alone.circle.addresses, *visitors],
        tried=visit.peer if visit else None,
        entered=visit is not None and door.address in visit.reached,
    )
    return replace(alone, circle=circle)


def by_itself(cluster: Cluster, door: Door) -> Reading:
    """The policies as they apply to a door, where nothing was tried."""
    team = members(cluster)
    circle = Circle(
        namespaces=frozenset({cluster.namespace, *team}),
        administrators=administrators(cluster, team),
        addresses=[one.ip for one in cluster.pods() if one.ip],
    )
    return Reading(cluster.network_policies(), door.pod, door.port, circle)


@dataclass(frozen=True)
class Opening:
    """A door open to somebody who is not of the team: to `stranger`, where a connection showed it,
    by `leaks`.

    `selecting` are the policies that apply to the door; without any, all come in.
    """

    stranger: str
    leaks: Sequence[Leak]
    selecting: Sequence[str]

    @property
    def settles(self) -> bool:
        """Whether a moment may change it: the policies do not mean what the connection showed."""
        return bool(self.stranger and self.selecting and not self.by)

    @property
    def by(self) -> Sequence[str]:
        """The policies that open it."""
        return list(dict.fromkeys(leak.policy for leak in self.leaks if leak.sure))


def require_enforcement(cluster: Cluster, otherwise: str) -> None:
    """Raises Unverifiable where it is seen that NetworkPolicies are not enforced, from which
    `otherwise` follows; not where no experiment can be made."""
    try:
        enforced = cluster.enforces_policies
    except Unverifiable:
        return
    if not enforced:
        raise _unenforced(otherwise)


def _unenforced(otherwise: str) -> Unverifiable:
    return Unverifiable(
        f"Ce cluster n’applique pas les NetworkPolicies : {otherwise}.",
        "Donnez les accès par des droits (RBAC), et signalez-le à l’équipe qui administre le "
        "cluster. Sur le petit SSPCloud local : cahier cluster supprimer, puis cahier cluster "
        "creer.",
    )


def opened_to(cluster: Cluster, door: Door) -> Opening | None:
    """How somebody outside the team reaches the door by the network. Raises Unverifiable."""
    read = reading(cluster, door)
    leaks, outside = read.leaks(), survey(cluster).outside
    selecting = decide(read.policies, door.pod, Peer(""), 0).selecting
    sure = not selecting or any(leak.sure for leak in leaks)
    if read.circle.entered:
        require_enforcement(cluster, lessons.NONE_CLOSES)
        return Opening(outside, leaks, selecting)
    if sure:
        require_enforcement(cluster, lessons.NONE_CLOSES)
        if outside and (not selecting or read.contradicted()):
            raise _stopped_elsewhere(outside, door)
        require_only_network_policies(cluster, lessons.ADMIT_OTHERS)
        return Opening("", leaks, selecting)
    if leaks:
        ways = " ; ".join(f"« {leak.policy} » : {how(leak)}" for leak in leaks)
        raise Unverifiable(
            f"On ne peut pas dire d’ici qui vos NetworkPolicies laissent entrer. {ways}.",
            "Désignez les namespaces par kubernetes.io/metadata.name.",
        )
    if outside:
        return None
    require_only_network_policies(cluster, lessons.ADMIT_THE_TEAM_ALONE)
    if not cluster.enforces_policies:
        raise _unenforced(lessons.NOT_KNOWN_CLOSED)
    return None


def _stopped_elsewhere(outside: str, door: Door) -> Unverifiable:
    return Unverifiable(
        f"Vos policies admettent le namespace {outside}, et pourtant une connexion qui en vient "
        f"n’atteint pas le pod {door.pod.name} : autre chose l’arrête, qui peut en laisser passer "
        "d’autres.",
        "Relancez la commande ; si cela dure, signalez-le à l’équipe qui administre le cluster.",
    )
