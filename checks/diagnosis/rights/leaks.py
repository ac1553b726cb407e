"""Who has a right that a sentence denies: found in what reaches them, confirmed by the API server,
told and mended."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from checks.capabilities import Cluster
from checks.diagnosis.rights.holdings import Holding, holding
from checks.diagnosis.rights.people import EVERYBODY, Person, in_groups, opening_verbs, people
from checks.diagnosis.rights.rbac import Granted, Request
from checks.diagnosis.rights.withdrawal import Grant, withdrawn
from checks.diagnosis.rights.wording import ASKED, TELLING, leads_to, said
from checks.errors import Unverifiable
from checks.facts import Access, ApiResource
from checks.french import enumeration
from checks.interruption import shielded
from checks.shell import one_word, thing
from checks.verdict import Diagnostic

_AT_ONCE = 8  # access reviews asked at the same time
_REASONED = 0.001  # seconds: no server answers faster, and handing a question over takes a third
_MOST = 60  # people of whom it is asked: each costs some fifty access reviews


@dataclass(frozen=True)
class Concern:
    """What a sentence denies. `broken_by`: the rights to ask about, given one right; none when it
    is no business of it.

    `effect` follows what the right is called, for a right that only leads to what is denied.
    `by_name`: every name that matters is known, so that the API server can tell even where a role
    may not be read.
    """

    broken_by: Callable[[Request], Iterable[Request]]
    effect: Callable[[Request], str] = lambda request: ""
    by_name: bool = False


_QUOTED = r'"((?:[^"\\]|\\.)*)"'  # as Go writes a string: https://pkg.go.dev/strconv#Quote
_GRANT = re.compile(
    rf"(?P<kind>(?:Cluster)?RoleBinding) {_QUOTED} of (?P<role>(?:Cluster)?Role) {_QUOTED}"
    rf" to (?P<subject>\w+) {_QUOTED}"
)
_ESCAPE = re.compile(r"\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|(.))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(
        lambda one: (
            _LETTERS.get(one[4], one[4]) if one[4] else chr(int(one[1] or one[2] or one[3], 16))
        ),
        text,
    )


@dataclass(frozen=True)
class Leak:
    """A right that somebody has, as the API server confirms. `grants`: RoleBindings that give it;
    none when it is given at the scale of the cluster, by `by`."""

    person: Person
    request: Request
    grants: tuple[Grant, ...]
    by: str = ""


def _told(access: Access) -> Grant | None:
    """The binding that the API server names in its answer."""
    found = _GRANT.search(access.reason)
    if found is None:
        return None
    binding, role, subject = (_unquoted(found[rank]) for rank in (2, 4, 6))
    name = binding.rpartition("/")[0] if found["kind"] == "RoleBinding" else binding
    return Grant(found["kind"], name, found["role"], role, found["subject"], subject)


def _read(granted: Granted, place: str) -> Grant:
    binding, subject = granted.binding, granted.subject
    name = (
        f"{subject.name}/{subject.namespace or place}"
        if subject.kind == "ServiceAccount"
        else subject.name
    )
    return Grant(binding.kind, binding.name, binding.role_kind, binding.role, subject.kind, name)


def may(cluster: Cluster, person: Person, request: Request) -> Access:
    """The API server's answer about somebody."""
    resource = f"{request.resource}/{request.subresource}".rstrip("/")
    group, name = request.group, request.name
    return cluster.may_other(
        person.user, request.verb, resource, group=group, name=name, groups=person.groups
    )


def _memory(cluster: Cluster) -> dict[Person, Holding]:
    return {}


def _holding(cluster: Cluster, person: Person) -> Holding:
    """What somebody holds, read once for all the checks."""
    memory = cluster.once(_memory)
    if person not in memory:
        memory[person] = holding(cluster, person)
    return memory[person]


@cache
def _askers() -> ThreadPoolExecutor:
    """Threads that ask, the same for all people and labs: a class asks some forty times each."""
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="droits")


def leak(cluster: Cluster, person: Person, concern: Concern) -> Leak | None:
    """The first right of somebody that breaks the sentence; one that a RoleBinding gives rather
    than the cluster."""
    held = _holding(cluster, person)
    read = [
        (request, lead.by) for lead in held.leads for request in concern.broken_by(lead.request)
    ]
    elsewhere: Leak | None = None
    for request in dict.fromkeys(request for request, _ in read):
        access = may(cluster, person, request)
        if not access.allowed:
            continue
        told = _told(access)
        grants = [
            _read(by, cluster.namespace) for one, by in read if by is not None and one == request
        ]
        if told is not None and told.binding_kind == "RoleBinding":
            grants = [told, *grants]
        if grants:
            return Leak(person, request, tuple(dict.fromkeys(grants)))
    asked = list(
        dict.fromkeys(
            request for one in _asked(cluster, held) for request in concern.broken_by(one)
        )
    )
    for request, access in _answers(cluster, person, asked):
        told = _told(access)
        if access.allowed and told is not None and told.binding_kind == "RoleBinding":
            return Leak(person, request, (told,))
        if access.allowed and elsewhere is None:
            elsewhere = Leak(
                person, request, (), f" (ClusterRoleBinding « {told.binding} »)" if told else ""
            )
    return elsewhere


def _answers(
    cluster: Cluster, person: Person, asked: Sequence[Request]
) -> Sequence[tuple[Request, Access]]:
    """Each with its answer. Threads share out what has to be asked of a server, as soon as one
    answer shows that it was: most are not even asked of a class."""
    found: dict[Request, Access] = {}
    left = iter(asked)
    for one in left:
        began = time.perf_counter()
        found[one] = may(cluster, person, one)
        if time.perf_counter() - began > _REASONED:
            break
    rest = list(left)
    shares = [rest[first::_AT_ONCE] for first in range(_AT_ONCE)]
    # Ctrl-C between the start of a thread and its entry among the pool's would leave it waiting for
    # ever, and the command for it
    with shielded():
        answered = _askers().map(
            lambda share: [(one, may(cluster, person, one)) for one in share], filter(None, shares)
        )
    found |= {request: access for share in answered for request, access in share}
    return [(request, found[request]) for request in asked]


def _asked(cluster: Cluster, held: Holding) -> Iterator[Request]:
    """What is asked openly: what rights at the scale of the cluster would give; where a role may
    not be read, all that the API server serves, and the objects that are there by their names."""
    if not held.unread:
        yield from ASKED
        return
    names = {
        "pods": [pod.name for pod in cluster.pods()],
        "secrets": _secret_names(cluster),
        "services": cluster.names("Service"),
        "configmaps": cluster.names("ConfigMap"),
        "deployments": cluster.names("Deployment"),
        "networkpolicies": cluster.names("NetworkPolicy"),
    }
    for request in TELLING:
        yield request
        yield from (replace(request, name=name) for name in names.get(request.resource, ()))
    for one in cluster.once(_served):
        resource, _, subresource = one.name.partition("/")
        yield from (Request(verb, one.group, resource, subresource) for verb in one.verbs)


def _secret_names(cluster: Cluster) -> Sequence[str]:
    """None for a teacher, who lists no Secret: a right on all of them is found all the same."""
    try:
        return cluster.names("Secret")
    except Unverifiable:
        return ()


def _served(cluster: Cluster) -> Sequence[ApiResource]:
    return cluster.api_resources()


def leaks(cluster: Cluster, who: Iterable[Person], concern: Concern) -> Sequence[Leak]:
    """The leaks of all of `who`, by rights that the owner can withdraw.

    Raises Unverifiable when there is none but what cannot be told, or withdrawn.
    """
    those = list(islice(who, _MOST + 1))
    beyond = len(those) > _MOST
    found = [(person, leak(cluster, person, concern)) for person in those[:_MOST]]
    ours = [one for _, one in found if one is not None and one.grants]
    if ours:
        return ours
    for _, one in found:
        if one is not None:
            raise Unverifiable(
                f"{one.person.said} peut {words(cluster, one, concern)}{one.by}, par un droit "
                "donné à l’échelle du cluster : vous ne pouvez pas le retirer.",
                "Signalez-le à l’équipe qui administre le cluster.",
            )
    if beyond:
        raise Unverifiable(
            f"Des RoleBindings de {cluster.namespace} donnent des droits à plus de {_MOST} "
            f"personnes : plus que le vérificateur n’en examine. Les {_MOST} premières n’ont rien "
            "de trop.",
            "Supprimez celles qui ne servent plus : kubectl get rolebindings -n "
            f"{cluster.namespace} -o wide",
        )
    for person in those:
        _require_no_group(cluster, person, concern)
        if not concern.by_name:
            _require_readable(cluster, person)
    return []


def _require_no_group(cluster: Cluster, person: Person, concern: Concern) -> None:
    """Raises Unverifiable when somebody would have the right as a member of a group: the cluster
    tells no member."""
    for member in in_groups(cluster, person):
        found = leak(cluster, member, concern)
        if found is not None and found.grants:
            grant, group = found.grants[0], member.groups[0]
            raise Unverifiable(
                f"Si {person.user} est du groupe {group}, il peut {words(cluster, found, concern)} "
                f": la RoleBinding « {grant.binding} » le donne à tout ce groupe, et le cluster ne "
                "dit pas qui en est.",
                f"Retirez ce groupe de la RoleBinding, ou demandez à {person.user} ce que répond "
                f"chez lui : kubectl auth can-i {_question(found.request)} -n {cluster.namespace} "
                "(ce doit être « no »)",
            )


def _question(request: Request) -> str:
    group = f".{request.group}" if request.group else ""
    name = f"/{request.name}" if request.name else ""
    subresource = f" --subresource={request.subresource}" if request.subresource else ""
    return f"{request.verb} {one_word(f'{request.resource}{group}{name}')}{subresource}"


def _require_readable(cluster: Cluster, person: Person) -> None:
    """Raises Unverifiable when a role of theirs may not be read, where a right may be narrowed to
    names."""
    for binding in _holding(cluster, person).unread:
        raise Unverifiable(
            f"{person.said} reçoit le ClusterRole « {binding.role} » par la RoleBinding « "
            f"{binding.name} », et vos droits ne permettent pas de lire ce ClusterRole. Rien de ce "
            "que l’API en dit n’est de trop ; mais un droit qu’il réduirait à certains noms ne se "
            "voit pas d’ici.",
            "Donnez plutôt un Role de votre namespace, que vous pouvez relire ; ou demandez à "
            "cette personne ce que montre chez elle : kubectl auth can-i --list -n "
            f"{cluster.namespace}",
        )


def words(cluster: Cluster, found: Leak, concern: Concern) -> str:
    """What the right is called, and what it leads to when only that is denied."""
    return f"{said(found.request, opening_verbs(cluster))}{concern.effect(found.request)}"


SHARING = (
    "Si vous partagez exprès (c’est le sujet du TP 6), vérifiez le TP 3 avant ou après ce partage."
)


_AGAIN = " À qui n’entrait que par là, donnez à part le seul droit qu’il lui faut."


def only_the_owner(
    cluster: Cluster,
    concern: Concern,
    cause: str,
    *,
    who: Iterable[Person] | None = None,
    advice: str = SHARING,
    again: Callable[[Sequence[Grant]], Sequence[str]] = lambda grants: (),
) -> Diagnostic | None:
    """None when none of `who` (all `people`) has a right that breaks the sentence; else all those
    who have, at once.

    `advice` ends the remedy in words. `again`: the commands that give again, to those who should
    have it, what withdrawing these grants takes from them too.
    """
    found = leaks(cluster, people(cluster) if who is None else who, concern)
    if not found:
        return None
    grants = list(dict.fromkeys(grant for one in found for grant in one.grants))
    place = cluster.namespace
    withdrawal, given_again = withdrawn(cluster, grants), again(grants)
    bindings = list(dict.fromkeys(one.binding for one in grants))
    these = "ces RoleBindings" if len(bindings) > 1 else "cette RoleBinding"
    named = "ce seul sujet" if len(grants) == 1 else "ces seuls sujets"
    of = "des RoleBindings" if len(bindings) > 1 else "de la RoleBinding"
    fix = (
        f"Supprimez {these}."
        if withdrawal.leaves_nobody
        else f"Retirez {named} {of}, gardez les autres."
    )
    return Diagnostic(
        finding=" ".join(_sentences(cluster, found, concern)),
        cause=leads_to(found[0].request) or cause,
        fix=f"{fix} {advice}{_AGAIN if given_again else ''}",
        commands=(*withdrawal.commands, *given_again),
        look=tuple(
            f"kubectl describe {thing('rolebinding', name)} -n {place}" for name in bindings
        ),
    )


_ROLE = {"Role": "le Role", "ClusterRole": "le ClusterRole"}
_SUBJECT = {
    "User": "à l’utilisateur",
    "Group": "au groupe",
    "ServiceAccount": "au compte de service",
}


def _sentences(cluster: Cluster, found: Sequence[Leak], concern: Concern) -> Iterator[str]:
    """Who may do what, and by which binding: those who share both, together."""
    alike: dict[tuple[str, tuple[tuple[str, str, str], ...]], dict[str, Leak]] = {}
    for one in found:
        roles = tuple(
            dict.fromkeys((grant.binding, grant.role_kind, grant.role) for grant in one.grants)
        )
        who = EVERYBODY.get(one.grants[0].subject, one.person.said)
        alike.setdefault((words(cluster, one, concern), roles), {}).setdefault(who, one)
    for (what, roles), those in alike.items():
        names = list(those)
        subject = enumeration([names[0], *(f"{name[0].lower()}{name[1:]}" for name in names[1:])])
        can = "peuvent" if len(names) > 1 else "peut"
        yield f"{subject} {can} {what} (namespace {cluster.namespace})."
        (binding, kind, role), *others = roles
        given = (
            f"La RoleBinding « {binding} » {'leur' if len(names) > 1 else 'lui'} donne "
            f"{_ROLE[kind]} « {role} »"
        )
        if len(names) == 1:
            grant = next(iter(those.values())).grants[0]
            to = _SUBJECT.get(grant.subject_kind, "à")
            given += f" : elle est adressée {to} {grant.subject.partition('/')[0]}"
        yield f"{given}."
        if others:
            also = [f"la RoleBinding « {name} » ({one} « {given} »)" for name, one, given in others]
            yield f"Aussi : {enumeration(also)}."
