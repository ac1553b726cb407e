"""Who else has a right in the learner's namespace, which binding gives it, and how to take it away.

Asked of the API server itself (LocalSubjectAccessReview), never read off the roles.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from checks.diagnosis.objects import named
from checks.errors import Unverifiable
from checks.facts import OWNER_BINDING, Access, Cluster
from checks.verdict import Diagnostic

_STRANGER = "cahier-inconnu"
# Groups that hold people whom the owner does not know, and how a sentence about them begins.
_EVERYBODY = {
    "system:authenticated": "N’importe quel utilisateur du cluster",
    "system:unauthenticated": "N’importe qui, même sans identité,",
    "system:serviceaccounts": "N’importe quel pod du cluster",
}


def opening_verbs(cluster: Cluster) -> Sequence[str]:
    """Before Kubernetes 1.35, `get` alone opens a tunnel or a shell through a WebSocket."""
    return ("create",) if cluster.server_version >= (1, 35) else ("create", "get")


@dataclass(frozen=True)
class Person:
    """Somebody who is not the owner. `said` begins a French sentence about them."""

    user: str
    said: str
    groups: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """Namespace of a pod's account, or of a group of them; "" for a human."""
        for name in (self.user, *(self.groups if len(self.groups) == 1 else ())):
            found = re.match(r"system:serviceaccounts?:([^:]+)", name)
            if found:
                return found[1]
        return ""


@dataclass(frozen=True)
class Leak:
    """A right that somebody else has; `what` ends the sentence « … peut »."""

    person: Person
    what: str
    access: Access


@dataclass(frozen=True)
class Grant:
    """The binding that gives a right, read in the API server's own answer."""

    binding_kind: str
    binding: str
    role_kind: str
    role: str
    subject_kind: str
    subject: str


_GRANT = re.compile(
    r'(?P<binding_kind>(?:Cluster)?RoleBinding) "(?P<binding>[^"/]+)(?:/[^"]+)?" of '
    r'(?P<role_kind>(?:Cluster)?Role) "(?P<role>[^"]+)" to (?P<subject_kind>\w+) "(?P<subject>[^"]+)"'
)


def owners(cluster: Cluster) -> Sequence[tuple[str, str]]:
    """Kind and name of those to whom the platform gave the namespace: one person, or those of a project."""
    return [
        (subject["kind"], subject["name"])
        for binding in cluster.objects("RoleBinding")
        if binding["metadata"]["name"] == OWNER_BINDING
        for subject in binding.get("subjects") or ()
    ]


def is_project(cluster: Cluster) -> bool:
    """Whether the namespace is several people's: a personal one has a single owner, whoever else was added to it."""
    return not cluster.namespace.startswith("user-")


def people(cluster: Cluster) -> Iterator[Person]:
    """Everybody of whom it is asked: anybody at all, the colleague, and whoever a RoleBinding names.

    Never those who own the namespace: of a project, all its people.
    """
    yield Person(_STRANGER, "N’importe quel utilisateur du cluster", tuple(_EVERYBODY))
    known = {cluster.user, *_EVERYBODY, f"system:serviceaccounts:{cluster.namespace}"}
    named_owners = owners(cluster)
    if is_project(cluster) or ("User", cluster.user) not in named_owners:  # the second: a ServiceAccount of ours
        known |= {name for _, name in named_owners}
    if cluster.has_colleague and cluster.colleague.user not in known:
        colleague = cluster.colleague.user
        known.add(colleague)
        yield Person(colleague, f"Votre collègue ({colleague})")
    for binding in cluster.objects("RoleBinding"):
        for subject in binding.get("subjects") or ():
            kind, name = subject["kind"], subject["name"]
            said = f"L’utilisateur {name}"
            if kind == "ServiceAccount":
                home = subject.get("namespace") or cluster.namespace
                if home == cluster.namespace:
                    continue  # a pod of the owner's
                said = f"Le compte de service {name} du namespace {home}"
                name = f"system:serviceaccount:{home}:{name}"
            if name in known:
                continue
            known.add(name)
            if kind == "Group":
                yield Person(_STRANGER, f"Tout membre du groupe {name}", (name,))
            else:
                yield Person(name, said)


def lacks_tunnel(cluster: Cluster, person: Person, pod: str) -> str:
    """What this person lacks for a tunnel to the pod, as the API server says; "" for nothing."""
    if not cluster.may_other(person.user, "get", "pods", name=pod, groups=person.groups).allowed:
        return f"ne peut pas lire le pod {pod}"
    verbs = opening_verbs(cluster)
    if any(
        cluster.may_other(person.user, verb, "pods/portforward", name=pod, groups=person.groups).allowed
        for verb in verbs
    ):
        return ""
    return f"peut lire le pod {pod}, mais pas y ouvrir de tunnel"


def _leaks(cluster: Cluster, questions: Sequence[tuple[str, str, str, str]], who: Iterable[Person]) -> Iterator[Leak]:
    """Which of `who` may do any of `questions`: verb, resource, name, and what it is in French."""
    for person in who:
        for verb, resource, name, what in questions:
            access = cluster.may_other(person.user, verb, resource, name=name, groups=person.groups)
            if access.allowed:
                yield Leak(person, what, access)
                break


_SHARING = "Si vous partagez exprès (c’est le sujet du TP 6), vérifiez le TP 3 avant ou après ce partage."


def only_the_owner(
    cluster: Cluster,
    questions: Sequence[tuple[str, str, str, str]],
    cause: str,
    *,
    who: Iterable[Person] | None = None,
    advice: str = _SHARING,
) -> Diagnostic | None:
    """None when none of `who` (all `people`) may do any of `questions`; else the first leak that the owner can close.

    `advice` ends the remedy in words.
    """
    elsewhere = ""
    for leak in _leaks(cluster, questions, people(cluster) if who is None else who):
        found = _GRANT.search(leak.access.reason)
        grant = Grant(**found.groupdict()) if found else None
        if grant is not None and grant.binding_kind == "RoleBinding":
            return _leaking(cluster, leak, grant, cause, advice)
        by = f" (ClusterRoleBinding « {grant.binding} »)" if grant else ""
        elsewhere = elsewhere or f"{leak.person.said} peut {leak.what}{by}"
    if elsewhere:
        raise Unverifiable(
            f"{elsewhere}, par un droit donné à l’échelle du cluster : vous ne pouvez pas le retirer.",
            "Signalez-le à l’équipe qui administre le cluster.",
        )
    return None


_ROLE = {"Role": "le Role", "ClusterRole": "le ClusterRole"}
_SUBJECT = {"User": "à l’utilisateur", "Group": "au groupe", "ServiceAccount": "au compte de service"}


def _leaking(cluster: Cluster, leak: Leak, grant: Grant, cause: str, advice: str) -> Diagnostic:
    place = cluster.namespace
    command, alone = _withdrawn(cluster, grant)
    who = _EVERYBODY.get(grant.subject, leak.person.said)
    to = f"{_SUBJECT.get(grant.subject_kind, 'à')} {grant.subject.partition('/')[0]}"
    return Diagnostic(
        finding=f"{who} peut {leak.what} (namespace {place}). La RoleBinding « {grant.binding} » lui "
        f"donne {_ROLE[grant.role_kind]} « {grant.role} » : elle est adressée {to}.",
        cause=cause,
        fix=("Supprimez cette RoleBinding." if alone else "Retirez ce seul sujet de la RoleBinding, gardez les autres.")
        + f" {advice}",
        commands=(command,),
        look=(f"kubectl describe rolebinding {grant.binding} -n {place}",),
    )


def _withdrawn(cluster: Cluster, grant: Grant) -> tuple[str, bool]:
    """The command that takes away this grant and no other, and whether the binding gives to nobody else."""
    binding = named(cluster, "RoleBinding", grant.binding) or {}
    subjects = binding.get("subjects") or ()
    given = [
        index
        for index, subject in enumerate(subjects)
        if subject["kind"] == grant.subject_kind
        and grant.subject in (subject["name"], f"{subject['name']}/{subject.get('namespace', '')}")
    ]
    if not given or len(subjects) == len(given):
        return f"kubectl delete rolebinding {grant.binding} -n {cluster.namespace} --ignore-not-found", True
    changes: list[dict[str, str]] = []
    for index in reversed(given):
        path = f"/subjects/{index}"
        changes += [
            {"op": "test", "path": f"{path}/name", "value": subjects[index]["name"]},
            {"op": "remove", "path": path},
        ]
    patch = shlex.quote(json.dumps(changes))
    return f"kubectl patch rolebinding {grant.binding} -n {cluster.namespace} --type=json -p {patch}", False
