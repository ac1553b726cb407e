"""The passwords of the base that are written in clear: all the places at once, and what removes
each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import HELM_STORAGE
from checks.diagnosis.rights.people import Person, people
from checks.errors import Unverifiable
from checks.facts import Listing
from checks.lesson import Clause, Lesson

from . import accounts, lessons
from .fit_accounts import password_changed
from .passwords import Leak, Leaks, leaks
from .plain_text import Item, objects_of, removal, where

_SHOWN = 5
_ASKED_AT_ONCE = 8


def in_clear(cluster: Cluster, release: str) -> Lesson | None:
    """The passwords of the base that the objects of the namespace hold, with their remedy; None
    where there is none.

    Raises Unverifiable for a kind of objects that somebody else reads and we do not.
    """
    roles = accounts.roles(cluster)
    names = cluster.secret_names()
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        secrets = [
            values or {}
            for values in pool.map(cluster.secret_values, filter(_is_written_by_hand, names))
        ]
    listings = cluster.everything()
    found = leaks(objects_of(listings), secrets, roles)
    if found.places:
        return _told(cluster, release, found)
    _require_all(cluster, [one for one in listings if one.items is None])
    return None


def _is_written_by_hand(secret: str) -> bool:
    return not secret.startswith(HELM_STORAGE)  # megabytes, that repeat what others hold


def _require_all(cluster: Cluster, unread: Sequence[Listing]) -> None:
    """Raise Unverifiable where somebody else reads what we could not."""
    readers = [one for one in people(cluster) if one.user] if unread else ()
    questions = [
        (kind, one, verb) for kind in unread for one in readers for verb in ("get", "list")
    ]

    def allowed(question: tuple[Listing, Person, str]) -> bool:
        kind, one, verb = question
        return cluster.may_other(one.user, verb, kind.resource, groups=one.groups).allowed

    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        for (kind, one, _), reads in zip(questions, pool.map(allowed, questions), strict=True):
            if reads:
                raise Unverifiable(
                    f"Namespace {cluster.namespace} : les objets {kind.resource} n’ont pas pu être "
                    f"lus, alors que {one.user} les lit ; un mot de passe peut y être écrit.",
                    f"Regardez-y avec qui en a le droit : kubectl get {kind.resource} -n "
                    f"{cluster.namespace}",
                )


# -- what is told ----------------------------------------------------------------------------------

OfItem = Sequence[Leak]
"""The leaks of one object."""


def _told(cluster: Cluster, release: str, found: Leaks) -> Lesson:
    told = _by_item(found)
    roles = {role.name: role for password in found.passwords for role in password.roles}
    commands = [
        *_removals(told, cluster.namespace, release),
        *(line for role in roles.values() for line in password_changed(cluster, role)),
    ]
    places = list({str(place): place for place in _places(found, told)}.values())
    return _kind(len(places), len(found.passwords))(
        places=places[0] if len(places) == 1 else _all(places),
        what=_whose(found, list(roles)),
        besides="".join(_besides(told)),
        kinds=",".join(dict.fromkeys(some[0].place.item.resource for some in told)),
        commands=tuple(command for command in dict.fromkeys(commands) if not found.tells(command)),
        transient=all(some[0].place.item.is_replaced for some in told),
    )


def _by_item(found: Leaks) -> Sequence[OfItem]:
    """The objects to tell of: not the pods that follow what makes them; last, what follows by
    itself."""
    by_item: dict[int, list[Leak]] = {}
    for leak in found.places:
        by_item.setdefault(id(leak.place.item), []).append(leak)
    holders = {some[0].place.item.uid for some in by_item.values()}
    told = [some for some in by_item.values() if not _goes_with(some[0].place.item, holders)]
    return sorted(
        told, key=lambda some: (some[0].place.item.kind == "Event", some[0].place.item.is_history)
    )


def _goes_with(item: Item, holders: Collection[str]) -> bool:
    """Whether this is a pod that follows what makes it, which has the password too."""
    return item.kind == "Pod" and item.metadata.controller_uid in holders


def _removals(told: Sequence[OfItem], namespace: str, release: str) -> Iterator[str]:
    """The commands that take them all away; what its controller keeps goes with a controller that
    is deleted."""
    removed = {
        some[0].place.item: removal([leak.place for leak in some], namespace, release)
        for some in told
    }
    deleted = {
        item.uid
        for item, lines in removed.items()
        if any(line.startswith("kubectl delete") for line in lines)
    }
    for item, lines in removed.items():
        if item.metadata.controller_uid not in deleted:
            yield from lines


def _places(found: Leaks, told: Sequence[OfItem]) -> Iterator[Clause]:
    """Words for each place, which show no password themselves."""
    for leak in (leak for some in told for leak in some):
        item, at = leak.place.item, str(where(leak.place))
        named = str(lessons.Masked(kind=item.kind)) if found.tells(item.name) else item.said
        shown = lessons.MASKED_PLACE if found.tells(at) else at
        place = lessons.PlaceInBase64 if leak.base64 else lessons.Place
        yield place(object=named, at=shown)


def _kind(places: int, passwords: int) -> type[lessons.InClear]:
    """The lesson for so many passwords in so many places."""
    if places == 1:
        return lessons.InClear
    return lessons.SeveralInClearInPlaces if passwords > 1 else lessons.OneInClearInPlaces


def _all(places: Sequence[Clause]) -> Clause:
    told = " ; ".join(map(str, places[:_SHOWN]))
    return lessons.Places(number=len(places), told=told, more=_more(len(places) - _SHOWN))


def _more(number: int) -> str:
    """Words for the places that are not told, "" for none."""
    if number < 1:
        return ""
    return str(
        lessons.OneMore(number=number) if number == 1 else lessons.SeveralMore(number=number)
    )


def _whose(found: Leaks, roles: Sequence[str]) -> Clause:
    """Words for the passwords, by the accounts that they open."""
    passwords = lessons.SeveralPasswords if len(found.passwords) > 1 else lessons.OnePassword
    return passwords(accounts=_quoted(roles), unknown=_unknown(found))


def _unknown(found: Leaks) -> str:
    """Words for those that no Secret has, "" for none."""
    unknown = [
        role.name for password in found.passwords if not password.held for role in password.roles
    ]
    if not unknown:
        return ""
    return (
        str(lessons.SomeInNoSecret(accounts=_quoted(unknown)))
        if len(found.passwords) > 1
        else lessons.IN_NO_SECRET
    )


def _quoted(roles: Sequence[str]) -> str:
    return lessons.AND.join(f"« {name} »" for name in roles)


def _besides(told: Sequence[OfItem]) -> Iterator[str]:
    """What more there is to know of these places."""
    if any(leak.base64 for some in told for leak in some):
        yield lessons.ENCODED
    if any(some[0].place.item.is_history for some in told):
        yield lessons.HISTORY
    if any(some[0].place.item.is_of_a_service for some in told):
        yield lessons.OF_A_SERVICE
