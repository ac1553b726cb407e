"""The columns of a roster: which line names them, under which of their names, and what separates
the cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from checks.grading.table import SEPARATORS, Row, rows, separator_of

COLUMNS = ("identifiant", "nom", "prenom", "email", "namespace", "collegue")
GROUP = "groupe"
"""A column that may tell the colleagues instead."""
_ALSO_NAMED = {  # as Moodle names them; what is not there is looked for under the next name
    "identifiant": ("numero d'identification", "id number", "nom d'utilisateur", "username"),
    "nom": ("nom de famille", "last name", "surname"),
    "prenom": ("first name",),
    "email": ("adresse de courriel", "email address", "courriel"),
    "collegue": ("collegues",),
    GROUP: ("groupes", "group", "groups"),
}
_OF_A_PAIR = ("colleg", "binom", "equipe", "partenaire")
_APOSTROPHES = re.compile("[’‘ʼ`´′]")
_HEADER_NAMES = 3  # columns that make a line a header, whatever stands above it


@dataclass(frozen=True)
class Table:
    """The rows of a list, from its first one. `header` None: there is none. `separator`: what cuts
    its rows into cells, "" in a workbook."""

    rows: Sequence[Row]
    header: Header | None
    separator: str = ""


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
        ours = all(plain(self.columns[place]) == name for name, place in self.places.items())
        return not ours and not any(
            word in plain(name) for name in self.columns for word in _OF_A_PAIR
        )

    @property
    def paired_by_groups(self) -> bool:
        """Whether only its groups tell who works with whom."""
        return GROUP in self.places and "collegue" not in self.places

    def named(self, row: Row) -> Mapping[str, str]:
        """The cells of a row by the plain names of their columns, ours and as they are written."""
        cells = {plain(name): cell for name, cell in zip(self.columns, row.cells, strict=False)}
        return cells | {name: row.cells[place] for name, place in self.places.items()}

    @property
    def said(self) -> str:
        """The columns as they were read."""
        known = {place: name for name, place in self.places.items()}
        words = []
        for place, written in enumerate(self.columns):
            same = place not in known or plain(written) == known[place]
            words.append((written or "(vide)") if same else f"{written} (c’est « {known[place]} »)")
        return ", ".join(words)


def table_of(text: str) -> Table:
    """The table of a text: its header is the first line that names columns, with the separator that
    shows them best; else the first line of all."""
    best: tuple[Header, str] | None = None
    for separator in SEPARATORS:
        header = _certain(rows(text, separator))
        if header and (best is None or len(header.places) > len(best[0].places)):
            best = header, separator
    separator = best[1] if best else separator_of(text)
    return table_in(list(rows(text, separator)), separator)


def table_in(found: Sequence[Row], separator: str = "") -> Table:
    """The table of these rows, whose header is the first of them that can be nothing else, or the
    first of all."""
    first = next((header_of(row) for row in found if not row.broken), None)
    return Table(found, _certain(found) or first, separator)


def _certain(found: Iterable[Row]) -> Header | None:
    """The first row that can be nothing but a header."""
    return next((header for header in map(header_of, found) if header.is_one), None)


def header_of(row: Row) -> Header:
    """The columns that a row names; its last empty cells are none."""
    cells = list(row.cells)
    while cells and not cells[-1]:
        del cells[-1]
    names = [plain(cell) for cell in cells]
    places: dict[str, int] = {}
    twice = []
    for column in (*COLUMNS, GROUP):
        for name in (column, *_ALSO_NAMED.get(column, ())):
            if name in names:
                places[column] = names.index(name)
                twice += [column] if names.count(name) > 1 else []
                break
    return Header(row.line, cells, places, twice)


def plain(name: str) -> str:
    """A column's name without accents, case or typography: « Prénom » is `prenom`."""
    straight = _APOSTROPHES.sub("'", name)
    letters = unicodedata.normalize("NFKD", straight.strip(" :*").casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
