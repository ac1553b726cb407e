"""The ways into a shared database, tried for real where somebody's access is at hand, reasoned elsewhere."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from checks.diagnosis.admission import dressed, lacking
from checks.diagnosis.doors import Door, doors, fingerprint
from checks.diagnosis.policies import Decision
from checks.diagnosis.rights import Person, lacks_tunnel
from checks.diagnosis.team import members, people_at_hand, user_of
from checks.errors import AccessError, Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import Cluster, ForwardRefused, Probe

UNKNOWN = "user-cahier-inconnu"
"""A namespace that does not exist: whoever lets it in lets anybody in."""


@dataclass(frozen=True)
class Survey:
    """What was found of the ways in, for all the checks of a round."""

    tunnels: Mapping[str, str]
    """What each member lacks for a tunnel; "" for nothing."""
    opened: Mapping[str, bool]
    """Whether the tunnel that a member may open was opened for real, where it could be tried."""
    reached: Mapping[str, frozenset[str]]
    """Addresses of the doors reached for real from a namespace, where it could be tried."""
    strangers: Sequence[str]


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
    strangers = _strangers(cluster)
    outside = next((name for name in strangers if cluster.as_owner(name) is not None), "")
    places = [member for member in team if tunnels[member]] + ([outside] if outside else [])
    with ThreadPoolExecutor(len(places) + len(doorways) + 1) as pool:  # a probe for each namespace, all at once
        tried = [pool.submit(_tried_from, cluster, place) for place in places]
        opening = [pool.submit(_really_opens, cluster, member, door) for member, door in doorways.items()]
        reached = {place: one.result() for place, one in zip(places, tried, strict=True)}
        opened = {member: one.result() for member, one in zip(doorways, opening, strict=True)}
    return Survey(
        tunnels,
        {member: answer for member, answer in opened.items() if answer is not None},
        {place: answer for place, answer in reached.items() if answer is not None},
        strangers,
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


def _tried_from(cluster: Cluster, namespace: str) -> frozenset[str] | None:
    """Addresses of the doors that a pod of `namespace` reaches for real; None where it cannot be tried."""
    there = cluster.as_owner(namespace)
    if there is None:
        return None
    ways = doors(cluster)
    worn = [dressed(cluster, door.pod, door.port, namespace) for door in ways]
    labels = next((labels for labels, decision in worn if decision.allowed is not False), {})
    try:
        with (
            there.probe([door.address for door in ways], labels) as probe,
            ThreadPoolExecutor(len(ways)) as pool,
        ):
            answers = list(pool.map(lambda door: _answers(probe, door.address, fingerprint(cluster)), ways))
    except (Unverifiable, AccessError):
        return None
    return frozenset(door.address for door, answer in zip(ways, answers, strict=True) if answer)


def _answers(probe: Probe, target: str, expected: str) -> bool:
    deadline = time.monotonic() + 2
    while True:
        try:
            with probe.connect(target) as end:
                return identify(end).fingerprint == expected
        except NotPostgres:
            return False
        except (ForwardRefused, Unverifiable, OSError):  # the probe may be opening its ports
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)


def _strangers(cluster: Cluster) -> Sequence[str]:
    """Namespaces that must stay outside, those that the policies let in first: people at hand, people whom a policy
    names, and one who does not exist."""
    text = json.dumps([policy["spec"] for policy in cluster.objects("NetworkPolicy")])
    told = sorted(set(re.findall(r'"((?:user|projet)-[-a-z0-9]+)"', text)))
    names = [*people_at_hand(cluster)[:4], *told, UNKNOWN]
    team = {*members(cluster), cluster.namespace}

    def closed(name: str) -> bool:
        return all(dressed(cluster, door.pod, door.port, name)[1].allowed is False for door in doors(cluster))

    return sorted(dict.fromkeys(name for name in names if name not in team), key=closed)


@dataclass(frozen=True)
class Opening:
    """A door open to somebody who is not of the team."""

    stranger: str
    decision: Decision
    tried: bool
    settles: bool


def require_enforcement(cluster: Cluster, otherwise: str) -> None:
    """Raises Unverifiable where it is seen that NetworkPolicies are not enforced, from which `otherwise` follows; not
    where no experiment can be made."""
    try:
        enforced = cluster.enforces_policies
    except Unverifiable:
        return
    if not enforced:
        raise _unenforced(otherwise)


def _unenforced(otherwise: str) -> Unverifiable:
    return Unverifiable(
        f"Ce cluster n’applique pas les NetworkPolicies : {otherwise}.",
        "Donnez les accès par des droits (RBAC), et signalez-le à l’équipe qui administre le cluster. Sur le petit "
        "SSPCloud local : cahier cluster supprimer, puis cahier cluster creer.",
    )


def opened_to(cluster: Cluster, door: Door) -> Opening | None:
    """How somebody outside the team reaches the door by the network. Raises Unverifiable."""
    found = survey(cluster)
    decisions = {name: dressed(cluster, door.pod, door.port, name)[1] for name in found.strangers}
    outside = next((name for name in found.strangers if name in found.reached), "")
    if outside and door.address in found.reached[outside]:
        decision = decisions[outside]
        require_enforcement(cluster, "aucune ne peut fermer votre base")
        return Opening(outside, decision, tried=True, settles=decision.allowed is False)
    for name, decision in decisions.items():
        if decision.allowed:
            require_enforcement(cluster, "aucune ne peut fermer votre base")
            return Opening(name, decision, tried=False, settles=name == outside)
    if outside:
        return None
    if any(decision.allowed is None for decision in decisions.values()):
        raise Unverifiable(
            "On ne peut pas dire d’ici qui vos NetworkPolicies laissent entrer : elles regardent des étiquettes ou des "
            "adresses que nous ne connaissons pas.",
            "Désignez les namespaces par kubernetes.io/metadata.name.",
        )
    if not cluster.enforces_policies:
        raise _unenforced("on ne peut pas dire que votre base est fermée")
    return None
