"""The columns of a roster: which line names them, under which of their names, and what separates
the cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checks.grading.table import SEPARATORS, Row, rows, separator_of

COLUMNS = ("identifiant", "nom", "prenom", "email", "namespace", "collegue")
_ALSO_NAMED = {  # as Moodle names them; what is not there is looked for under the next name
    "identifiant": ("numero d'identification", "id number", "nom d'utilisateur", "username"),
    "nom": ("nom de famille", "last name", "surname"),
    "prenom": ("first name",),
    "email": ("adresse de courriel", "email address", "courriel"),
    "collegue": ("collegues",),
}
_OF_A_PAIR = ("colleg", "binom", "equipe", "partenaire")
_HEADER_NAMES = 3  # columns that make a line a header, whatever stands above it


@dataclass(frozen=True)
class Header:
    """Which cell of a row holds each column that is known; `columns` are as they are written."""

    line: int
    columns: Sequence[str]
    places: Mapping[str, int]
    twice: Sequence[str]

    @property
    def is_one(self) -> bool:
        """Whether the row can be nothing else."""
        return len(self.places) >= _HEADER_NAMES

    @property
    def foreign(self) -> bool:
        """Whether it is another program's, which knows no colleague: neither does a column that we
        fail to read."""
        ours = all(_plain(self.columns[place]) == name for name, place in self.places.items())
        return not ours and not any(
            word in _plain(name) for name in self.columns for word in _OF_A_PAIR
        )

    @property
    def said(self) -> str:
        """The columns as they were read."""
        known = {place: name for name, place in self.places.items()}
        words = []
        for place, written in enumerate(self.columns):
            same = place not in known or _plain(written) == known[place]
            words.append((written or "(vide)") if same else f"{written} (c’est « {known[place]} »)")
        return ", ".join(words)


def find_header(text: str) -> tuple[Header | None, str]:
    """The first line that names columns, and the separator that shows them best; else the first
    line of all."""
    best: tuple[Header, str] | None = None
    for separator in SEPARATORS:
        for row in rows(text, separator):
            header = header_of(row)
            if header.is_one:
                if best is None or len(header.places) > len(best[0].places):
                    best = header, separator
                break
    if best is not None:
        return best
    separator = separator_of(text)
    return next(
        (header_of(row) for row in rows(text, separator) if not row.broken), None
    ), separator


def header_of(row: Row) -> Header:
    """The columns that a row names; its last empty cells are none."""
    cells = list(row.cells)
    while cells and not cells[-1]:
        del cells[-1]
    plain = [_plain(cell) for cell in cells]
    places: dict[str, int] = {}
    twice = []
    for column in COLUMNS:
        for name in (column, *_ALSO_NAMED.get(column, ())):
            if name in plain:
                places[column] = plain.index(name)
                twice += [column] if plain.count(name) > 1 else []
                break
    return Header(row.line, cells, places, twice)


def _plain(name: str) -> str:
    """A column's name without accents, case or typography: « Prénom » is `prenom`."""
    letters = unicodedata.normalize("NFKD", name.replace("’", "'").strip(" :*").casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
