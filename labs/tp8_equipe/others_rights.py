"""The rights that others than the owner have on the shared base: who they are, and the Secrets that
tell them more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import platform_secrets
from checks.diagnosis.rights.excess import obtaining, tunnel_to
from checks.diagnosis.rights.leaks import Concern, may
from checks.diagnosis.rights.people import Person, owns, people
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.team import is_member, persons
from checks.verdict import Diagnostic

from . import lessons
from .accounts import Role, opened_by
from .ways_in import Door, base
from .withdrawn import not_of


def everybody(cluster: Cluster) -> Sequence[Person]:
    """Everybody but the owner, the members among them whether or not a RoleBinding names them."""
    team = {member.user: member for member in persons(cluster) if not owns(cluster, member)}
    found = [
        replace(team.pop(one.user), said=one.said) if one.user in team else one
        for one in people(cluster)
    ]
    return [*found, *team.values()]


def strangers(cluster: Cluster) -> Sequence[Person]:
    """Those who are not of the team."""
    return [one for one in people(cluster) if not is_member(cluster, one)]


def tunnel_of_strangers(cluster: Cluster, ways: Sequence[Door]) -> Diagnostic | None:
    """Who may open a tunnel to one of these pods and is not of the team; None when nobody may."""
    tunnels = tunnel_to(cluster, [door.pod.name for door in ways])
    return not_of(cluster, strangers(cluster), tunnels, lessons.TUNNELS, lessons.DECLARE_THEM_FIRST)


def secret_read(cluster: Cluster) -> Diagnostic | None:
    """Who reads a Secret of the base, or one that opens more than it should to them; None when
    nobody does."""
    who, secrets = everybody(cluster), platform_secrets(cluster, base(cluster)[0].release)
    return not_of(cluster, who, obtaining(secrets), lessons.SECRETS, lessons.NARROW) or _copy_read(
        cluster, who
    )


def _copy_read(cluster: Cluster, who: Sequence[Person]) -> Diagnostic | None:
    """The first Secret of the owner's own making that tells somebody too much."""
    platform = platform_secrets(cluster, base(cluster)[0].release)
    found = (
        _telling(cluster, name, who) for name in cluster.secret_names() if name not in platform
    )
    return next((one for one in found if one is not None), None)


def _telling(cluster: Cluster, secret: str, who: Sequence[Person]) -> Diagnostic | None:
    """The first of those who read the Secret to whom it opens too much; None when there is none."""
    readers = [
        one for one in who if may(cluster, one, Request("get", "", "secrets", name=secret)).allowed
    ]
    if not readers:
        return None
    values = (cluster.secret_values(secret) or {}).values()
    opened = [role for value in values for role in opened_by(cluster, value)]
    found = (_told_to(cluster, secret, person, opened) for person in readers)
    return next((one for one in found if one is not None), None)


def _told_to(
    cluster: Cluster, secret: str, person: Person, opened: Sequence[Role]
) -> Diagnostic | None:
    """Of the accounts that the Secret opens, the first that the person should not have; None when
    there is none."""
    over = [role for role in opened if role.platform or not is_member(cluster, person)]
    if not over:
        return None
    opening = lessons.AdministersTheBase if over[0].platform else lessons.OpensTheBase
    concern = _reading(secret, str(opening(account=over[0].name)))
    return not_of(cluster, [person], concern, lessons.COPIES, lessons.NARROW)


def _reading(secret: str, why: str) -> Concern:
    """Reading this Secret, which opens more than it should: `why`."""
    return replace(obtaining([secret]), effect=lambda request: why)
