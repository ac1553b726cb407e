"""The path by rights: what somebody asks of the API server for a tunnel, request by request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.rights.holdings import bindings_of
from checks.diagnosis.rights.people import Person, account, known, opening_verbs
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.wording import said as said_of
from checks.facts import Access, Colleague
from checks.french import quoted
from checks.lesson import Lesson
from checks.path import lessons
from checks.path.aims import Aim
from checks.path.ends import End, Named, Somebody
from checks.path.ground import Ground
from checks.path.outcome import Hop, Kind, broken, passed
from checks.refusals import service_account
from checks.shell import one_word

_LONGEST = 200  # letters of a name: the API takes 253
_GRANTED_BY = re.compile(r'(?:Cluster)?RoleBinding "([^"]+)"')


@dataclass(frozen=True)
class _Asked:
    """A request that kubectl makes; one of `verbs` is enough."""

    verbs: Sequence[str]
    resource: str
    name: str = ""
    group: str = ""


def by_rights(ground: Ground, who: Somebody, end: End, aim: Aim) -> Iterator[Hop]:
    """The hops of a tunnel of somebody's: each right that it takes, asked of the API server in the
    namespace of the pod."""
    view = aim.view
    assert view is not None
    person = _person(ground.cluster, who)
    pods = aim.selected()
    pod = next((one for one in pods if one.ready), pods[0])
    for asked in _requests(view, end, pod.name):
        place = _words(asked)
        answers = [_may(view, person, verb, asked) for verb in asked.verbs]
        granted = next((one for one in answers if one.allowed), None)
        if granted is None:
            yield broken(Kind.RIGHT, place, _refused(view, person, asked, place), view)
            return
        by = _GRANTED_BY.search(granted.reason)
        yield passed(Kind.RIGHT, place, f"donné par « {by[1].partition('/')[0]} »" if by else "")


def _person(cluster: Cluster, who: Somebody) -> Person:
    if service_account(who.user):
        return account(who.user, f"Le compte de service {who.user}")
    for namespace in _namespaces(cluster, who.user):
        return known(cluster, Colleague(namespace, who.user), f"« {who.user} »")
    return Person(who.user, f"« {who.user} »", certain=False)


def _namespaces(cluster: Cluster, user: str) -> Iterator[str]:
    """The personal namespace of somebody called like us."""
    mine, place = cluster.user, cluster.namespace
    own = place.removeprefix("user-")
    if place.startswith("user-") and mine.endswith(own):
        prefix = mine.removesuffix(own)
        if user.startswith(prefix) and user != mine:
            yield f"user-{user.removeprefix(prefix)}"


def _requests(view: Cluster, end: End, pod: str) -> Iterator[_Asked]:
    """What kubectl asks, in its order."""
    if isinstance(end, Named) and end.kind == "service":
        yield _Asked(("get",), "services", end.name)
    elif isinstance(end, Named) and end.kind != "pod":
        yield _Asked(("get",), f"{end.kind}s", end.name, "apps")
    if isinstance(end, Named) and end.kind != "pod":
        yield _Asked(("list",), "pods")
    yield _Asked(("get",), "pods", pod)
    yield _Asked(opening_verbs(view), "pods/portforward", pod)


def _words(asked: _Asked) -> str:
    resource, _, subresource = asked.resource.partition("/")
    request = Request(asked.verbs[0], asked.group, resource, subresource, asked.name)
    return said_of(request)


def _may(view: Cluster, person: Person, verb: str, asked: _Asked) -> Access:
    return view.may_other(
        person.user,
        verb,
        asked.resource,
        group=asked.group,
        name=asked.name,
        groups=person.groups,
    )


def _refused(view: Cluster, person: Person, asked: _Asked, lacks: str) -> Lesson:
    found = [one.name for one in bindings_of(view, person)]
    holds = (
        f" {'Le RoleBinding' if len(found) == 1 else 'Les RoleBindings'} {quoted(found)} "
        f"{'lui donne' if len(found) == 1 else 'lui donnent'} autre chose."
        if found
        else " Aucun RoleBinding de ce namespace ne nomme cette personne."
    )
    return lessons.NoRight(
        who=person.said,
        lacks=f"ne peut pas {lacks}",
        holds=holds,
        commands=_given(view, person, asked),
    )


def _given(view: Cluster, person: Person, asked: _Asked) -> tuple[str, ...]:
    """The commands that give this right, and no other, to this person."""
    found = service_account(person.user)
    whom = f"--serviceaccount={found.namespace}:{found.name}" if found else f"--user={person.user}"
    called = re.sub(r"[^a-z0-9]+", "-", f"{asked.resource} {asked.name} {person.user}".lower())
    name = f"{asked.verbs[0]}-{called.strip('-')}"[:_LONGEST]
    resource = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    only = f" --resource-name={one_word(asked.name)}" if asked.name else ""
    there = f"-n {view.namespace}"
    return (
        f"kubectl create role {name} --verb={asked.verbs[0]} --resource={resource}{only} {there}",
        f"kubectl create rolebinding {name} --role={name} {one_word(whom)} {there}",
    )
