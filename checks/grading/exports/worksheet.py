"""A Moodle offline grading worksheet, the teacher's own, filled in place: its marks, and not one
other byte.

Moodle tells by « Dernière modification (note) » whether a mark was changed since the download: it
is left alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from checks.errors import UsageError
from checks.files import write_atomically
from checks.grading.exports.marks import decimal, out_of
from checks.grading.results import ClassGrades, LearnerGrades
from checks.grading.table import separator_of, utf8

_MARK = ("note", "grade")
_MAXIMUM = ("note maximale", "maximum grade")
_EMAIL = ("adresse de courriel", "adresse courriel", "email address", "courriel")
_NUMBER = ("numéro d'identification", "id number")
_CHANGEABLE = ("la note peut être modifiée", "grade can be changed")
_DOWNLOAD = (
    "Dans le devoir Moodle : « Évaluations », « Télécharger la feuille d’évaluation », et ne "
    "changez pas ses colonnes."
)


@dataclass(frozen=True)
class Filled:
    """What came of a worksheet. `unknown`: its people who are not in the class; `left`: the class's
    who got no mark."""

    marks: int
    unknown: Sequence[str]
    left: Sequence[str]


def fill(path: Path, grades: ClassGrades) -> Filled:
    """Fill the marks of the worksheet at `path`. Raises UsageError when it is none; it is then left
    as it was."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"La feuille Moodle {path} est illisible : {error.strerror}.", _DOWNLOAD
        ) from None
    bom = data[:3] if data.startswith(b"\xef\xbb\xbf") else b""
    text, filled = filled_text(utf8(data, path.name), grades, path.name)
    write_atomically(path, bom + text.encode())
    return filled


def check(path: Path) -> None:
    """Raise UsageError when `path` is no worksheet that could be filled."""
    try:
        _ = _Sheet(utf8(path.read_bytes(), path.name), path.name)
    except OSError as error:
        raise UsageError(
            f"La feuille Moodle {path} est illisible : {error.strerror}.", _DOWNLOAD
        ) from None


def filled_text(text: str, grades: ClassGrades, name: str) -> tuple[str, Filled]:
    """The worksheet's text with the marks that are decided; marks still open leave the cell as it
    is."""
    sheet = _Sheet(text, name)
    learners = {learner.email.casefold(): learner for learner in grades.learners}
    numbers = {learner.identifier.casefold(): learner for learner in grades.learners}
    changes: list[tuple[int, int, str]] = []
    unknown, done = [], set()
    for line, cells in sheet.rows:
        learner = learners.get(sheet.value(cells, "email").casefold())
        learner = learner or numbers.get(sheet.value(cells, "number").casefold())
        if learner is None:
            unknown.append(
                sheet.value(cells, "email") or sheet.value(cells, "number") or f"ligne {line}"
            )
            continue
        mark = _mark(learner, sheet.value(cells, "maximum"), name, line)
        if mark is None or sheet.value(cells, "changeable").casefold() in ("non", "no"):
            continue
        done.add(learner.identifier)
        cell = cells[sheet.columns["mark"]]
        quoted = text[cell.start : cell.start + 1] == '"' or sheet.delimiter in mark
        changes.append((cell.start, cell.end, f'"{mark}"' if quoted else mark))
    for start, end, mark in reversed(changes):
        text = text[:start] + mark + text[end:]
    left = [learner.identifier for learner in grades.learners if learner.identifier not in done]
    return text, Filled(len(changes), unknown, left)


@dataclass(frozen=True)
class _Cell:
    start: int
    end: int
    value: str


class _Sheet:
    """A worksheet's cells, with where they are in the text. `columns`: what is known of them, by
    our own names."""

    def __init__(self, text: str, name: str) -> None:
        self.delimiter = separator_of(text)
        records = _records(text, self.delimiter)
        if not records:
            raise UsageError(f"La feuille Moodle {name} est vide.", _DOWNLOAD)
        header = [cell.value.strip().casefold().replace("’", "'") for cell in records[0][1]]
        wanted = {
            "mark": _MARK,
            "maximum": _MAXIMUM,
            "email": _EMAIL,
            "number": _NUMBER,
            "changeable": _CHANGEABLE,
        }
        self.columns: Mapping[str, int] = {
            key: header.index(title)
            for key, titles in wanted.items()
            for title in titles
            if title in header
        }
        self._require_columns(name)
        self.rows = [
            (line, cells)
            for line, cells in records[1:]
            if any(cell.value.strip() for cell in cells)
        ]
        for line, cells in self.rows:
            if len(cells) != len(header):
                raise UsageError(
                    f"{name}, ligne {line} : le nombre de cellules ({len(cells)}) n’est pas celui "
                    f"de l’en-tête ({len(header)}). Rien n’y a été écrit.",
                    _DOWNLOAD,
                )

    def _require_columns(self, name: str) -> None:
        """Raises UsageError without a mark to write, or anything that tells people apart."""
        if "mark" not in self.columns:
            raise UsageError(
                f"{name} n’a pas de colonne « Note » : ce n’est pas une feuille d’évaluation.",
                _DOWNLOAD,
            )
        if "email" not in self.columns and "number" not in self.columns:
            raise UsageError(
                f"{name} n’a ni « Adresse de courriel » ni « Numéro d’identification » : on ne "
                "peut pas reconnaître les personnes (devoir anonyme ?).",
                "Levez l’anonymat du devoir, ou demandez à l’administration d’afficher l’adresse "
                "dans les évaluations.",
            )

    def value(self, cells: Sequence[_Cell], column: str) -> str:
        """Content of a cell, "" where the worksheet has no such column."""
        place = self.columns.get(column)
        return "" if place is None else cells[place].value.strip()


def _mark(learner: LearnerGrades, maximum: str, name: str, line: int) -> str | None:
    """The mark on the worksheet's own scale, with its own decimal sign."""
    sign = "." if "." in maximum else ","
    try:
        scale = Fraction(maximum.replace(",", ".") or "20")
    except ValueError:
        raise UsageError(
            f"{name}, ligne {line} : « {maximum} » (Note maximale) n’est pas un nombre. Rien n’y a "
            "été écrit.",
            "Donnez au devoir une note numérique (par exemple /20, maximum 20) et téléchargez de "
            "nouveau la feuille.",
        ) from None
    exact = out_of(learner, scale)
    return None if exact is None else decimal(exact, sign=sign)


def _records(text: str, delimiter: str) -> list[tuple[int, list[_Cell]]]:
    """Every record with the line it begins at, each cell with its place in the text, quotes
    included."""
    cell = re.compile(rf'(?:"(?:[^"]|"")*"|[^{re.escape(delimiter)}\r\n]*)')
    records: list[tuple[int, list[_Cell]]] = []
    position, line = 0, 1
    while position < len(text):
        cells: list[_Cell] = []
        begin = position
        while True:
            found = cell.match(text, position)
            raw = found[0] if found else ""
            value = next(csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter), [""])
            cells.append(_Cell(position, position + len(raw), value[0] if value else ""))
            position += len(raw)
            if text[position : position + 1] != delimiter:
                break
            position += 1
        ending = re.compile(r"\r\n|\r|\n|\Z").match(text, position)
        if ending is None:  # something after a closing quote: no worksheet of Moodle's has that
            raise UsageError(
                f"La feuille Moodle est mal formée à la ligne {line} (guillemets).", _DOWNLOAD
            )
        position = ending.end()
        records.append((line, cells))
        line += text.count("\n", begin, position)
    return records
