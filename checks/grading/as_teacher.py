"""What grading says of what a teacher cannot see: the same of a cluster and of a snapshot."""

from __future__ import annotations

from typing import NoReturn

from checks.errors import Unverifiable
from checks.sources.from_afar import FromAfar

READ_ONLY = "La notation ne fait que lire : cela demanderait {}."
_ON_THEIR_MACHINE = "Cela ne se voit que depuis le poste où le TP est fait, pas de loin."


def is_never_seen(finding: str) -> bool:
    """Whether this is said of what a teacher never sees, whoever's the namespace is."""
    return finding == _ON_THEIR_MACHINE or finding.startswith(READ_ONLY.partition("{")[0])


class AsTeacher(FromAfar):
    """A learner's work, seen from where they are not."""

    def _not_there(self) -> NoReturn:
        raise Unverifiable(
            _ON_THEIR_MACHINE,
            "Lancez « cahier verifier » sur ce poste : le reçu qu’il laisse dans le namespace est "
            "compté.",
        )

    def _only_read(self, what: str) -> NoReturn:
        raise Unverifiable(READ_ONLY.format(what))
