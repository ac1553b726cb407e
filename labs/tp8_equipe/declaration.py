"""Whether the declaration of the team names those whom it must."""

from __future__ import annotations

import msgspec

from checks.capabilities import Cluster
from checks.diagnosis.rights.team import (
    KEY,
    declaration,
    declaration_words,
    declared,
    members,
    wrong_word,
)
from checks.lesson import Lesson

from . import lessons


def undeclared(cluster: Cluster) -> Lesson | None:
    """What the declaration of the team lacks, or says wrongly; None when it is right."""
    found = _undeclared(cluster)
    if found is None:
        return None
    return msgspec.structs.replace(
        found, lines=_membership(cluster), commands=tuple(declared(cluster))
    )


def _undeclared(cluster: Cluster) -> Lesson | None:
    colleague, named = cluster.colleague.namespace, members(cluster)
    if declaration(cluster) is None:
        return lessons.NotDeclared()
    if not named:
        return lessons.NobodyDeclared()
    wrong = next((one for word in named if (one := wrong_word(cluster, word)) is not None), None)
    if wrong is not None:
        return lessons.WrongMember(wrong=wrong[0], why=wrong[1])
    if colleague not in named:
        return lessons.ColleagueNotDeclared()
    return lessons.NobodyElseDeclared() if len(named) < 2 else None


def _membership(cluster: Cluster) -> tuple[str, ...]:
    """The line of equipe.yaml that declares the team, as far as we can tell."""
    words = declaration_words(cluster)
    return (lessons.UNDER_DATA, f"{KEY}: {words}") if words else ()
