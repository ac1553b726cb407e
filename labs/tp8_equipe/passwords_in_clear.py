"""The lesson about passwords of the base written in clear: all the places at once, and what removes each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from checks.diagnosis.rights.people import Person, people
from checks.diagnosis.workloads.objects import controller
from checks.errors import Unverifiable
from checks.facts import Cluster, Listing
from checks.verdict import Diagnostic

from . import accounts
from .passwords import Leak, Leaks, leaks
from .plain_text import Item, objects_of, removal, where

_SHOWN = 5
_ASKED_AT_ONCE = 8


def in_clear(cluster: Cluster, release: str) -> Diagnostic | None:
    """The passwords of the base that the objects of the namespace hold, with their remedy; None where there is none.

    Raises Unverifiable for a kind of objects that somebody else reads and we do not.
    """
    roles = accounts.roles(cluster)
    names = [str(item["metadata"]["name"]) for item in cluster.objects("Secret")]
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        secrets = [values or {} for values in pool.map(cluster.secret_values, filter(_is_written_by_hand, names))]
    listings = cluster.everything()
    found = leaks(objects_of(listings), secrets, roles)
    if found.places:
        return _told(cluster, release, found)
    _require_all(cluster, [one for one in listings if one.items is None])
    return None


def _is_written_by_hand(secret: str) -> bool:
    return not secret.startswith("sh.helm.release.v1.")  # megabytes, that repeat what others hold


def _require_all(cluster: Cluster, unread: Sequence[Listing]) -> None:
    """Raise Unverifiable where somebody else reads what we could not."""
    readers = [one for one in people(cluster) if one.user] if unread else ()
    questions = [(kind, one, verb) for kind in unread for one in readers for verb in ("get", "list")]

    def allowed(question: tuple[Listing, Person, str]) -> bool:
        kind, one, verb = question
        return cluster.may_other(one.user, verb, kind.resource, groups=one.groups).allowed

    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        for (kind, one, _), reads in zip(questions, pool.map(allowed, questions), strict=True):
            if reads:
                raise Unverifiable(
                    f"Namespace {cluster.namespace} : les objets {kind.resource} n’ont pas pu être lus, alors que "
                    f"{one.user} les lit ; un mot de passe peut y être écrit.",
                    f"Regardez-y avec qui en a le droit : kubectl get {kind.resource} -n {cluster.namespace}",
                )


# -- the sentences -------------------------------------------------------------------------------------------------


def _told(cluster: Cluster, release: str, found: Leaks) -> Diagnostic:
    by_item: dict[int, list[Leak]] = {}
    for leak in found.places:
        by_item.setdefault(id(leak.place.item), []).append(leak)
    holders = {some[0].place.item.uid for some in by_item.values()}
    told = [some for some in by_item.values() if not _goes_with(some[0].place.item, holders)]
    told.sort(key=lambda some: (some[0].place.item.kind == "Event", some[0].place.item.is_history))  # last what follows
    roles = {role.name: role for password in found.passwords for role in password.roles}
    commands = [
        *_removals(told, cluster.namespace, release),
        *(line for role in roles.values() for line in accounts.password_changed(cluster, role)),
    ]
    kinds = dict.fromkeys(some[0].place.item.resource for some in told)
    return Diagnostic(
        finding=_finding(cluster, found, list(dict.fromkeys(_places(found, told))), list(roles)),
        cause=" ".join(_causes(told)),
        fix="Retirez-le de là ; lisez-le dans un Secret (valueFrom.secretKeyRef). Puis changez ce mot de passe : ce "
        "qui a été écrit en clair a pu être lu.",
        commands=[command for command in dict.fromkeys(commands) if not found.tells(command)],
        look=(f"kubectl get {','.join(kinds)} -n {cluster.namespace}",),
        transient=all(some[0].place.item.is_replaced for some in told),
    )


def _removals(told: Sequence[Sequence[Leak]], namespace: str, release: str) -> Iterator[str]:
    """The commands that take them all away; what its controller keeps goes with a controller that is deleted."""
    removed = {some[0].place.item: removal([leak.place for leak in some], namespace, release) for some in told}
    deleted = {item.uid for item, lines in removed.items() if any(line.startswith("kubectl delete") for line in lines)}
    for item, lines in removed.items():
        if controller(item.raw).get("uid") not in deleted:
            yield from lines


def _goes_with(item: Item, holders: Collection[str]) -> bool:
    """Whether this is a pod that follows what makes it, which has the password too."""
    return item.kind == "Pod" and controller(item.raw).get("uid") in holders


def _places(found: Leaks, told: Sequence[Sequence[Leak]]) -> Iterator[str]:
    for some in told:
        for leak in some:
            item, at = leak.place.item, where(leak.place)
            named = f"l’objet {item.kind} au nom masqué" if found.tells(item.name) else item.said
            shown = "à un endroit dont le nom est masqué" if found.tells(at) else at
            yield f"{named}, {shown}{' (en base64)' if leak.base64 else ''}"


def _finding(cluster: Cluster, found: Leaks, places: Sequence[str], roles: Sequence[str]) -> str:
    several = len(found.passwords) > 1
    whose = " et ".join(f"« {name} »" for name in roles)
    what = f"{'des mots' if several else 'un mot'} de passe de la base, {'ceux' if several else 'celui'} de {whose}"
    unknown = [f"« {role.name} »" for password in found.passwords if not password.held for role in password.roles]
    if unknown:
        which = f"contient celui de {' et '.join(unknown)}" if several else "le contient"
        what += f" (aucun de vos Secrets ne {which})"
    if len(places) == 1:
        return f"Namespace {cluster.namespace} : {places[0]}, contient en clair {what}."
    more = len(places) - _SHOWN
    others = f" ; et {more} autre{'s' if more > 1 else ''}" if more > 0 else ""
    are = "sont écrits" if several else "est écrit"
    return (
        f"Namespace {cluster.namespace} : {what}, {are} en clair à {len(places)} endroits : "
        f"{' ; '.join(places[:_SHOWN])}{others}."
    )


def _causes(told: Sequence[Sequence[Leak]]) -> Iterator[str]:
    yield (
        "Une ConfigMap, une variable ou un argument se lit avec le simple rôle « view », s’affiche dans « kubectl "
        "describe » et finit dans git. Seul un Secret se protège à part."
    )
    if any(leak.base64 for some in told for leak in some):
        yield "base64 n’est pas un chiffrement : il se relit sans aucune clé."
    if any(some[0].place.item.is_history for some in told):
        yield (
            "Corriger un objet ne corrige pas son passé : un Deployment garde ses anciennes versions (des "
            "ReplicaSets), un StatefulSet aussi (des ControllerRevisions), un CronJob ses derniers Jobs."
        )
