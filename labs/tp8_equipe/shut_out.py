"""The members whom no way leads to the shared base, and what gives them one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from checks.capabilities import Cluster
from checks.diagnosis.policies.decision import Decision
from checks.diagnosis.policies.other_enforcers import require_decided
from checks.diagnosis.rights.team import members, user_of
from checks.errors import Unverifiable
from checks.lesson import Clause, Lesson
from checks.objects.parts import named
from checks.shell import one_word

from . import lessons
from .admission import dressed
from .ways_in import base, doors
from .ways_tried import Visit, require_enforcement, survey

_BINDING = "tunnel-equipe"
"""The RoleBinding of acces.yaml."""


@dataclass(frozen=True)
class ShutOut:
    """Why a member gets in by neither way, and whether it may settle."""

    by_tunnel: Clause
    misnamed: str
    by_network: Clause
    settles: bool


def members_shut_out(cluster: Cluster) -> Lesson | None:
    """The members who have no way to the base; None when each has one. Raises Unverifiable."""
    out = {
        member: shut
        for member in members(cluster)
        if (shut := _shut_out(cluster, member)) is not None
    }
    if not out:
        return None
    (first, shut), *others = out.items()
    return lessons.MemberShutOut(
        member=first,
        base=base(cluster)[0].release,
        by_tunnel=shut.by_tunnel,
        misnamed=shut.misnamed,
        by_network=shut.by_network,
        others=str(lessons.SameFor(members=", ".join(name for name, _ in others)))
        if others
        else "",
        lines=_subjects(cluster, list(out)),
        commands=tuple(command for member in out for command in give_tunnel(cluster, member)),
        transient=all(one.settles for one in out.values()),
    )


def _shut_out(cluster: Cluster, member: str) -> ShutOut | None:
    """None when the member gets in. Raises Unverifiable."""
    found = survey(cluster)
    lacks, user = found.tunnels[member], user_of(cluster, member)
    if not lacks and found.opened.get(member) is not False:
        return None
    decisions = [dressed(cluster, door.pod, door.port, member)[1] for door in doors(cluster)]
    means = True if any(one.allowed for one in decisions) else decisions[0].allowed
    if member in found.visits:
        by_network = _as_tried(cluster, member, found.visits[member], means, decisions[0])
    else:
        by_network = _as_read(cluster, member, means, decisions[0], lacks)
    if by_network is None:
        return None
    right = (
        lessons.LacksTheRight(user=user, lacks=lacks)
        if lacks
        else lessons.TunnelLeadsElsewhere(user=user)
    )
    return ShutOut(
        right, _misnamed(cluster, member), by_network, settles=not lacks or means is True
    )


def _as_tried(
    cluster: Cluster, member: str, visit: Visit, means: bool | None, decision: Decision
) -> Clause | None:
    """How the network keeps the member out, where a connection was tried; None where it was
    made."""
    if visit.reached:
        if means is False:
            require_enforcement(cluster, str(lessons.ComesInAsAnybody(member=member)))
        return None
    if means is False and decision.selecting:
        return lessons.NoConnectionAsMeant(member=member, policies=", ".join(decision.selecting))
    return lessons.NoConnection(member=member)


def _as_read(
    cluster: Cluster, member: str, means: bool | None, decision: Decision, lacks: str
) -> Clause | None:
    """How the policies keep the member out, where nobody here can try it from there; None where
    they do not."""
    if means is None and lacks:
        raise Unverifiable(
            f"On ne peut pas dire d’ici si {member} atteint la base : vos NetworkPolicies "
            "regardent des étiquettes ou des adresses que nous ne connaissons pas.",
            "Demandez à ce membre d’essayer, ou désignez son namespace par "
            "kubernetes.io/metadata.name.",
        )
    require_decided(cluster, member, admitted=means is True)
    if means is True:
        return None
    require_enforcement(cluster, str(lessons.NotKnownShutOut(member=member)))
    return lessons.KeptOutByPolicies(policies=", ".join(decision.selecting))


def _misnamed(cluster: Cluster, member: str) -> str:
    """A RoleBinding that writes the member's namespace where the cluster expects a user, "" for
    none."""
    for binding in cluster.role_bindings():
        for subject in binding.subjects:
            if subject.kind == "User" and subject.name == member != user_of(cluster, member):
                return str(lessons.NamespaceForAUser(binding=binding.name, member=member))
    return ""


# -- remedies --------------------------------------------------------------------------------------


def give_tunnel(cluster: Cluster, member: str) -> Sequence[str]:
    """The commands that give a member a tunnel to the base, and nothing else."""
    name, pod, place = f"tunnel-{member}", base(cluster)[1].name, f"-n {cluster.namespace}"
    there = ["Role"] if name in cluster.roles() else []
    if named(cluster.role_bindings(), name) is not None:
        there.append("RoleBinding")
    gone = (" ".join(("kubectl delete", ",".join(there).lower(), name, place)),) if there else ()
    return (
        *gone,
        f"kubectl create role {name} {place} --verb=get,create --resource=pods,pods/portforward "
        f"--resource-name={pod}",
        f"kubectl create rolebinding {name} {place} --role={name} "
        f"--user={one_word(user_of(cluster, member))}",
    )


def _subjects(cluster: Cluster, those: Sequence[str]) -> tuple[str, ...]:
    """The lines of acces.yaml that name the members whom its RoleBinding leaves out."""
    binding = named(cluster.role_bindings(), _BINDING)
    if binding is None:  # they share otherwise
        return ()
    missing = {user_of(cluster, one) for one in those} - {one.name for one in binding.subjects}
    made = [
        {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        for user in sorted(missing)
    ]
    lines = [
        yaml.safe_dump(one, default_flow_style=True, sort_keys=False, width=math.inf).strip()
        for one in made
    ]
    return (lessons.UNDER_SUBJECTS, *(f"- {one}" for one in lines)) if lines else ()
