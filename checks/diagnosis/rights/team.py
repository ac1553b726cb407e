"""Who is in the team that the owner declares, and under which names the cluster knows each
member."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence

from checks.capabilities import Cluster
from checks.diagnosis.rights.people import Person, known, people
from checks.errors import Unverifiable, UsageError
from checks.facts import Colleague
from checks.objects.parts import named
from checks.objects.workloads import ConfigMap
from checks.shell import one_word

TEAM = "equipe"
"""Name of the ConfigMap that declares it."""
KEY = "membres"
"""Key of the ConfigMap under which the members' namespaces are written; `NAMESPACE=USER` where the
user cannot be inferred."""


def declaration(cluster: Cluster) -> ConfigMap | None:
    """The ConfigMap that names the team."""
    return named(cluster.config_maps(), TEAM)


def _written(cluster: Cluster) -> Mapping[str, str]:
    """The words of the declaration, the owner's own namespace left out, with the user written after
    each, or ""."""
    found = declaration(cluster)
    text = found.data.get(KEY, "") if found is not None else ""
    words = [word.partition("=") for word in re.split(r"[\s,;]+", text)]
    return {word: user for word, _, user in words if word not in ("", "-", cluster.namespace)}


def members(cluster: Cluster) -> Sequence[str]:
    """The namespaces, or what is written in their place, that the declaration names, without the
    owner's own."""
    return list(_written(cluster))


def user_of(cluster: Cluster, namespace: str) -> str:
    """The user whom RBAC knows for a member. Raises Unverifiable where nothing tells."""
    for colleague in cluster.colleagues:
        if namespace == colleague.namespace:
            return colleague.user
    try:
        return _written(cluster).get(namespace) or cluster.user_of(namespace)
    except UsageError as unknown:
        raise Unverifiable(
            unknown.message,
            f"Écrivez-le dans la ConfigMap « {TEAM} », clé « {KEY} » : {namespace}=UTILISATEUR "
            "(cette personne le lit avec « kubectl auth whoami »)",
        ) from None


def _people_at_hand(cluster: Cluster) -> Sequence[str]:
    colleague = cluster.colleague.namespace
    return [colleague, *cluster.outsiders()] if cluster.as_owner(colleague) is not None else []


def people_at_hand(cluster: Cluster) -> Sequence[str]:
    """Namespaces of the local cluster's other people; none elsewhere, where nobody's access is at
    hand."""
    return cluster.once(_people_at_hand)


def wrong_word(cluster: Cluster, word: str) -> tuple[str, str] | None:
    """Why a word of the declaration is nobody's namespace: the finding and the cause."""
    at_hand = people_at_hand(cluster)
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", word) is None:
        return (
            f"« {word} » ne peut pas être le nom d’un namespace",
            "Un tel nom n’a que des minuscules sans accent, des chiffres et des tirets.",
        )
    if cluster.namespace.startswith("user-") and not word.startswith(("user-", "projet-")):
        return (
            f"« {word} » n’est pas un namespace de la plateforme",
            "La déclaration nomme des namespaces, comme le vôtre ; le nom d’une personne en est un "
            "autre.",
        )
    if at_hand and word not in at_hand:
        return (
            f"« {word} » n’est le namespace de personne sur ce cluster",
            "Un membre mal écrit n’aura jamais d’accès, et le vôtre semblera complet.",
        )
    return None


def _right_names(cluster: Cluster) -> Sequence[str]:
    """The declaration put right as far as we can tell: typos mended, the colleague in, a third
    person we know of."""
    at_hand = people_at_hand(cluster)
    right = []
    for word in members(cluster):
        if wrong_word(cluster, word) is None:
            right.append(word)
        else:
            right += difflib.get_close_matches(word, at_hand, 1, 0.8)
    right = list(dict.fromkeys([cluster.colleague.namespace, *right]))
    if len(right) < 2:  # chloe, where she exists: never a stranger of the real platform
        right += [name for name in at_hand if name == "user-chloe"][:1]
    return right


def declaration_words(cluster: Cluster) -> str:
    """What the declaration put right says; "" where we do not know enough people."""
    names, users = _right_names(cluster), _written(cluster)
    return (
        " ".join(f"{name}={users[name]}" if users.get(name) else name for name in names)
        if len(names) > 1
        else ""
    )


def declared(cluster: Cluster) -> Sequence[str]:
    """The commands that write the declaration put right; none where we do not know enough
    people."""
    words = declaration_words(cluster)
    if not words:
        return ()
    if declaration(cluster) is None:
        return (
            f"kubectl create configmap {TEAM} -n {cluster.namespace} "
            f"--from-literal={KEY}={one_word(words)}",
        )
    patch = json.dumps({"data": {KEY: words}})
    return (
        f"kubectl patch configmap {TEAM} -n {cluster.namespace} --type=merge -p {one_word(patch)}",
    )


def persons(cluster: Cluster) -> Sequence[Person]:
    """The members, under their users' names."""
    team = [Colleague(member, user_of(cluster, member)) for member in members(cluster)]
    return [known(cluster, one, f"Le membre {one.namespace} ({one.user})") for one in team]


def is_member(cluster: Cluster, person: Person) -> bool:
    """Whether it is a declared member, or a pod of theirs."""
    team = members(cluster)
    return person.user in {user_of(cluster, member) for member in team} or person.home in team


def identities(cluster: Cluster, member: str) -> Sequence[Person]:
    """Under which names the cluster may know a member: the user, then the accounts of their pods
    bound here."""
    user = user_of(cluster, member)
    return [
        Person(user, user),
        *(one for one in people(cluster) if one.home == member and one.user != user),
    ]
