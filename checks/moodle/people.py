"""Who of the list is who for the platform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from checks.grading.roster import Learner
from checks.moodle.platform import Member
from checks.moodle.troubles import NoMember


def matched(
    learners: Sequence[Learner], members: Sequence[Member]
) -> tuple[Mapping[str, str], Sequence[NoMember]]:
    """The platform's user of each learner, by identification number, else by e-mail; and, by line,
    who has none or several: a mark given to somebody else is worse than none."""
    shares = any(one.identifier or one.email for one in members)
    found = {
        learner.line: {one.user for one in members if one.identifier == learner.identifier}
        or {one.user for one in members if _same(one.email, learner.email)}
        for learner in learners
    }
    taken = Counter(user for users in found.values() for user in users)
    users, missing = {}, []
    for learner in learners:
        own = found[learner.line]
        if len(own) == 1 and taken[min(own)] == 1:
            users[learner.identifier] = min(own)
        else:
            missing.append(_missing(learner, len(own), shares))
    return users, missing


def _same(one: str, other: str) -> bool:
    return bool(one) and one.casefold() == other.casefold()


def _missing(learner: Learner, found: int, shares: bool) -> NoMember:
    who = f"Ligne {learner.line} : {learner.name} ({learner.identifier}, {learner.email})"
    if found:
        return NoMember(
            f"{who} correspond à plusieurs personnes du cours, ou à la même qu’une autre ligne.",
            "Donnez à chacun son propre numéro d’identification, dans la liste et dans Moodle.",
        )
    if not shares:
        return NoMember(
            f"{who} n’est pas reconnu : la plateforme ne dit ni numéro ni adresse.",
            "Dans la « Vie privée » de l’outil, choisissez de toujours partager l’adresse de "
            "courriel, ou donnez un numéro d’identification à chacun.",
        )
    return NoMember(
        f"{who} n’est pas dans ce cours : ni ce numéro d’identification, ni cette adresse.",
        "Inscrivez cette personne au cours, ou corrigez sa ligne.",
    )
