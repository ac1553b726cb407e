"""The people of an invented class: the same for the same seed, however many there are of them."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from checks.local_sspcloud.people import ADMIN, TEACHER, namespace_of
from checks.places import LEARNERS

_FIRST_NAMES = (
    "Adèle Aïcha Alexandre Amina Antoine Baptiste Camille Chloé Clément Emma Enzo Fatou Gabriel "
    "Hugo Inès Jade Jules Karim Léa Léo Lina Louis Lucie Malik Manon Margaux Mathis Maxime Mehdi "
    "Nadia Noémie Océane Paul Pauline Quentin Raphaël Romane Samir Sarah Théo Thomas Valentin Zoé"
)
_LAST_NAMES = (
    "Andrieu Aubert Bailly Barbier Benali Bertrand Besson Blanchard Boucher Carpentier Chevalier "
    "Cissé Colin Coulibaly Da-Silva Delorme Diallo Dubois Dufour Fabre Fontaine Garnier Gauthier "
    "Guérin Haddad Hamel Henry Joubert Klein Lacroix Lambert Leclerc Lefèvre Marchand Mercier "
    "Meunier Moreau Nguyen Nicolas Olivier Perrin Picard Renard Rivière Rousseau Roussel Traoré"
)
"""As many as a prime number, as the first names are: the same two meet again after all the
others."""
_DOMAIN = "example.org"  # nobody's, and never anybody's (RFC 2606)
_NOT_THEIRS = {*LEARNERS, TEACHER, ADMIN}


@dataclass(frozen=True)
class Invented:
    """Somebody who does not exist. `account`: what they are called on the cluster."""

    number: int
    first_name: str
    last_name: str
    account: str

    @property
    def identifier(self) -> str:
        """What a school would number them with."""
        return f"p{self.number:03}"

    @property
    def email(self) -> str:
        """An address that reaches nobody."""
        return f"{self.account}@{_DOMAIN}"

    @property
    def namespace(self) -> str:
        """Where they work."""
        return namespace_of(self.account)


def people(count: int, seed: int) -> Sequence[Invented]:
    """The first ones of the class that a seed gives."""
    return list(islice(_endless(seed), count))


def groups(class_: Sequence[Invented]) -> Sequence[Sequence[Invented]]:
    """Who works with whom: by two, and the last by three where one is left."""
    pairs = [class_[place : place + 2] for place in range(0, len(class_), 2)]
    return [*pairs[:-2], class_[-3:]] if len(class_) % 2 and len(pairs) > 1 else pairs


def _endless(seed: int) -> Iterator[Invented]:
    chance = random.Random(seed)
    first, last = (_shuffled(chance, names) for names in (_FIRST_NAMES, _LAST_NAMES))
    met: set[str] = set()
    for first_name, last_name in zip(cycle(first), cycle(last), strict=False):
        account = _plain(first_name[0] + last_name)
        if account not in met | _NOT_THEIRS:
            met.add(account)
            yield Invented(len(met), first_name, last_name, account)


def _shuffled(chance: random.Random, names: str) -> Sequence[str]:
    words = names.split()
    return chance.sample(words, len(words))


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).lower()
    return "".join(letter for letter in letters if letter.isascii() and letter.isalnum())
