"""What was said to a grade book, and what it has taken: a file of the teacher's, so that nothing is
said twice, whoever is killed.

A score is noted before it is said, with its moment, and once more when it was taken. What lies
between is said again with the same moment, which makes it the same score.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from checks.errors import CahierError
from checks.grading.own_file import OwnFile

_APPLICATION = 0x43614D6F


@dataclass(frozen=True)
class Said:
    """The last score of a person's lab. `taken`: the platform has answered that it has it."""

    points: Fraction
    maximum: Fraction
    at: datetime
    taken: bool

    @property
    def part(self) -> Fraction:
        """The part of the maximum."""
        return self.points / self.maximum


def path_of(roster: Path) -> Path:
    """Where it is: beside the list."""
    return roster.with_name(f"envois-{roster.stem}.sqlite")


class Sent(OwnFile):
    """An open file; to be used from any thread, and closed (it is a context manager)."""

    application = _APPLICATION
    schema = 1
    table = (
        "CREATE TABLE scores (book TEXT NOT NULL, person TEXT NOT NULL, "
        "lab TEXT NOT NULL, points TEXT NOT NULL, maximum TEXT NOT NULL, at TEXT NOT NULL, "
        "taken INTEGER NOT NULL, PRIMARY KEY (book, person, lab)) STRICT"
    )

    def __init__(self, path: Path, book: str) -> None:
        """`book`: whose grade book is meant; a class may be tied to another. Raises CahierError."""
        super().__init__(path)
        self._book = book

    def last(self, person: str, lab: str) -> Said | None:
        """The last score that was said, or about to be. Raises CahierError."""
        with self._turn, self._told():
            row = self._base.execute(
                "SELECT points, maximum, at, taken FROM scores"
                " WHERE book = ? AND person = ? AND lab = ?",
                (self._book, person, lab),
            ).fetchone()
            if row is None:
                return None
        return Said(
            Fraction(row[0]), Fraction(row[1]), datetime.fromisoformat(row[2]), bool(row[3])
        )

    def note(self, person: str, lab: str, said: Said) -> None:
        """Keep it: once this has returned, no crash takes it back. Raises CahierError."""
        with self._turn, self._told():
            self._base.execute(
                "INSERT OR REPLACE INTO scores (book, person, lab, points, maximum, at, taken)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    self._book,
                    person,
                    lab,
                    str(said.points),
                    str(said.maximum),
                    said.at.astimezone(UTC).isoformat(),
                    said.taken,
                ),
            )

    def _foreign(self) -> CahierError:
        return CahierError(
            f"{self.path} n’est pas un fichier d’envois du cahier : il a été laissé tel quel.",
            "Déplacez-le ; ce qui est déjà dans le carnet de notes y est reconnu.",
        )

    def _newer(self) -> CahierError:
        return CahierError(
            f"Le fichier d’envois {self.path} vient d’une version plus récente du cahier.",
            "Mettez le cahier à jour sur ce poste.",
        )

    def _unusable(self, why: str) -> CahierError:
        return CahierError(
            f"Le fichier d’envois {self.path} ne peut être ni lu ni écrit : {why}.",
            "Libérez de la place, ou rendez-vous ce fichier accessible.",
        )
