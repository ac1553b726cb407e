"""The class as the teacher gives it: a CSV file, read whole and judged whole before anything is
graded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.errors import UsageError
from checks.french import plural
from checks.grading.columns import COLUMNS, Header, find_header, header_of
from checks.grading.table import SAVE_AS_UTF8, SEPARATORS, Row, Text, decoded, rows
from checks.lab import Lab

_MAY_BE_EMPTY = {"collegue", "prenom"}

# An identifier names a file and a Moodle account: plain letters, and nothing that a spreadsheet
# takes for a formula.
_IDENTIFIER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9_-])?")
_EMAIL = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9._%+'-]*[A-Za-z0-9_%+'-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
)
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_ROUNDED = re.compile(r"\d+[.,]\d+E[+-]?\d+|\d+E[+-]\d+", re.IGNORECASE)
_DECIMAL = re.compile(r"\d+[.,]0+")
_SUM = re.compile(
    r"(?:sous-)?(?:total|effectif|nombre|moyenne|somme|count|average)\b", re.IGNORECASE
)
_FIGURE = re.compile(r"[\d\s.,%/]+")
_NAMESPACE_HOW = (
    "ajoutez-la : sur le SSPCloud c’est « user- » suivi du nom de connexion de chacun, par exemple "
    "user-alice, ou le namespace de son projet"
)


@dataclass(frozen=True)
class Learner:
    """One line of the roster. `colleague` is a namespace, several for a team, "" when there is
    none; `line` counts from 1."""

    identifier: str
    last_name: str
    first_name: str
    email: str
    namespace: str
    colleague: str = ""
    line: int = 0

    @property
    def name(self) -> str:
        """First name, then last name."""
        return f"{self.first_name} {self.last_name}".strip()

    def colleagues(self, lab: Lab) -> Sequence[str]:
        """The namespaces of those with whom a lab is done."""
        given = several(self.colleague)
        return given if lab.about.team else given[:1]


def several(written: str) -> Sequence[str]:
    """The namespaces that are written in one cell."""
    return [name for name in re.split(r"[\s,;]+", written) if name]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line of the roster, in French."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"ligne {self.line} : {self.message}"


def read_roster(path: Path) -> Sequence[Learner]:
    """The learners, in the order of the file. Raises UsageError with every problem and its line."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"La liste de classe {path} n’existe pas.", "Vérifiez son nom et son dossier."
        ) from None
    except OSError as error:
        raise UsageError(
            f"La liste de classe {path} est illisible : {error.strerror}.", "Vérifiez ses droits."
        ) from None
    found = decoded(data, path.name)
    learners, problems = parse_roster(found.text)
    problems = [*_misread(found), *problems]
    if problems:
        count = plural(len(problems), "problème")
        read_as = f", lue en {found.encoding}" if found.encoding else ""
        lines = "\n".join(f"  {problem}" for problem in problems)
        remedy = "Corrigez ces lignes et relancez la même commande ; rien n’a été noté."
        raise UsageError(
            f"{count} dans la liste de classe {path.name}{read_as} :\n{lines}",
            f"{remedy} {SAVE_AS_UTF8}" if found.encoding else remedy,
        )
    return learners


def _misread(found: Text) -> Iterator[Problem]:
    if found.line:
        row = re.split(r"\r\n|\r|\n", found.text)[found.line - 1].strip()
        yield Problem(
            found.line,
            f"un caractère est illisible : la liste n’est pas en UTF-8 (en {found.encoding}, cette "
            f"ligne serait « {row[:80]} »).",
        )


def parse_roster(text: str) -> tuple[Sequence[Learner], Sequence[Problem]]:
    """The learners of a CSV text, and every problem found, by line."""
    header, separator = find_header(text)
    if header is None:
        return [], [Problem(1, "la liste est vide, ou ses guillemets ne vont pas par deux.")]
    first = header.line
    problems = list(_header_problems(header))
    learners: list[Learner] = []
    for row in rows(text, separator):
        again = header_of(row)
        # a second one: two lists, glued
        if row.line == first or (again.is_one and row.line > first):
            problems += _header_problems(again) if row.line > first else ()
            header = again
            continue
        found = list(_above(row, first) if row.line < first else _misshapen(row, header, separator))
        problems += found
        if found or not header.places or row.line < first or _is_sum(row):
            continue
        values = {name: row.cells[place] for name, place in header.places.items()}
        problems += [Problem(row.line, message) for message in _row_problems(values)]
        learners.append(_learner(values, row.line))
    if not learners and not problems:
        problems.append(Problem(first, "il n’y a personne sous l’en-tête."))
    for name, of in _UNIQUE.items():
        problems += _duplicates(name, of, learners)
    return [] if problems else learners, sorted(problems, key=lambda problem: problem.line)


def _learner(values: Mapping[str, str], line: int) -> Learner:
    identifier, last, first, email, namespace, colleague = (
        values.get(column, "") for column in COLUMNS
    )
    return Learner(identifier, last, first, email, namespace, colleague, line)


def _header_problems(header: Header) -> Iterator[Problem]:
    missing = [column for column in COLUMNS if column not in header.places]
    if not header.places and any(_EMAIL.fullmatch(cell) for cell in header.columns):
        yield Problem(
            header.line, f"les colonnes ne sont pas nommées : écrivez au-dessus {';'.join(COLUMNS)}"
        )
        return
    if header.foreign and "collegue" in missing:  # another program's list, which knows of none
        missing.remove("collegue")
    if missing:
        how = f" : {_NAMESPACE_HOW}" if missing == ["namespace"] else ""
        pairs = (
            " Pour les TP à deux, ajoutez aussi « collegue »."
            if how and "collegue" not in header.places
            else ""
        )
        names = _listed("la colonne", "les colonnes", missing)
        yield Problem(header.line, f"il manque {names}{how}.{pairs} Colonnes lues : {header.said}.")
    if header.twice:
        names = _listed("la colonne", "les colonnes", sorted(header.twice))
        yield Problem(
            header.line, f"{names} figure{'nt' if len(header.twice) > 1 else ''} deux fois."
        )


def _above(row: Row, first: int) -> Iterator[Problem]:
    """What is wrong above the header: a title is nothing, somebody would be forgotten."""
    if row.broken:
        yield _broken(row)
    elif any(_EMAIL.fullmatch(cell) for cell in row.cells):
        yield Problem(
            row.line,
            f"quelqu’un figure au-dessus de l’en-tête, qui est à la ligne {first} : mettez-le "
            "dessous.",
        )


def _misshapen(row: Row, header: Header, separator: str) -> Iterator[Problem]:
    """What keeps a row from being read as somebody's."""
    if row.broken:
        yield _broken(row)
        return
    count, expected = len(row.cells), len(header.columns)
    filled = [cell for cell in row.cells if cell]
    whole = count >= expected and not any(row.cells[expected:])
    if _is_sum(row) or (whole and (len(filled) > 1 or _IDENTIFIER.fullmatch(filled[0]))):
        return
    if len(filled) == 1 and "@" not in filled[0]:
        yield Problem(row.line, f"« {filled[0][:60]} » ne décrit personne : supprimez cette ligne.")
        return
    yield Problem(
        row.line,
        f"{plural(count, 'cellule')} au lieu de {expected} : il y a un séparateur de trop ou de "
        f"moins (cette liste est séparée par {SEPARATORS[separator]}), ou un nom qui en contient "
        "doit être entre guillemets.",
    )


def _broken(row: Row) -> Problem:
    return Problem(row.line, "les guillemets ne vont pas par deux ; cette ligne n’a pas été lue.")


def _is_sum(row: Row) -> bool:
    """Whether a row counts people instead of being one."""
    filled = [cell for cell in row.cells if cell]
    return bool(_SUM.match(filled[0])) and all(_FIGURE.fullmatch(cell) for cell in filled[1:])


def _row_problems(row: Mapping[str, str]) -> Iterator[str]:
    for column, value in row.items():  # those that the roster has
        if not value and column not in _MAY_BE_EMPTY:
            yield f"{column} est vide."
    identifier, _last, _first, email, namespace, colleague = (
        row.get(column, "") for column in COLUMNS
    )
    if _ROUNDED.fullmatch(identifier) or _DECIMAL.fullmatch(identifier):
        yield (
            f"l’identifiant « {identifier} » est un nombre qu’un tableur a transformé : mettez "
            "cette colonne au format « Texte », et saisissez-y de nouveau le numéro."
        )
    elif identifier and not _IDENTIFIER.fullmatch(identifier):
        yield (
            f"l’identifiant « {identifier} » ne convient pas : au plus 64 lettres sans accent, "
            "chiffres, « . », « _ », « @ » ou « - », et d’abord une lettre ou un chiffre."
        )
    if email and not _EMAIL.fullmatch(email):
        yield f"« {email} » n’est pas une adresse de courriel."
    colleagues = several(colleague)
    for column, name in (("namespace", namespace), *(("collegue", one) for one in colleagues)):
        if name and not _NAMESPACE.fullmatch(name):
            yield (
                f"« {name} » ({column}) ne peut pas être le nom d’un namespace : des minuscules "
                "sans accent, des chiffres et des tirets, par exemple user-alice."
            )
    if namespace in colleagues:
        yield f"le collègue de {identifier} est son propre namespace, « {namespace} »."


_UNIQUE: Mapping[str, Callable[[Learner], str]] = {
    "l’identifiant": lambda learner: learner.identifier,
    "l’adresse": lambda learner: learner.email,
}


def _duplicates(
    name: str, of: Callable[[Learner], str], learners: Sequence[Learner]
) -> Iterator[Problem]:
    """Compared without case: two files, or two accounts, must not be mistaken for one another
    anywhere."""
    first: dict[str, int] = {}
    for learner in learners:
        value = of(learner)
        if value and first.setdefault(value.casefold(), learner.line) != learner.line:
            yield Problem(
                learner.line, f"{name} « {value} » est déjà à la ligne {first[value.casefold()]}."
            )


def _listed(one: str, several: str, names: Sequence[str]) -> str:
    return f"{one if len(names) == 1 else several} {', '.join(names)}"
