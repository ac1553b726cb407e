"""The class as the teacher gives it: a CSV file, read whole and judged whole before anything is graded."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.errors import UsageError

COLUMNS = ("identifiant", "nom", "prenom", "email", "namespace", "collegue")
_MAY_BE_EMPTY = {"collegue", "prenom"}

# An identifier names a file and a Moodle account: plain letters, and nothing that a spreadsheet takes for a formula.
_IDENTIFIER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9_-])?")
_EMAIL = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9._%+'-]*[A-Za-z0-9_%+'-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
)
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SAVE_AS_UTF8 = (
    "Enregistrez-la en UTF-8. Excel : « Enregistrer sous », type « CSV UTF-8 (délimité par des virgules) ». "
    "LibreOffice : « Enregistrer sous », cochez « Éditer les paramètres du filtre », jeu de caractères « UTF-8 »."
)


@dataclass(frozen=True)
class Learner:
    """One line of the roster. `colleague` is a namespace, "" when there is none; `line` counts from 1."""

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
        raise UsageError(f"La liste de classe {path} n’existe pas.", "Vérifiez son nom et son dossier.") from None
    except OSError as error:
        raise UsageError(
            f"La liste de classe {path} est illisible : {error.strerror}.", "Vérifiez ses droits."
        ) from None
    learners, problems = parse_roster(decode(data, path.name))
    if problems:
        count = f"{len(problems)} problèmes" if len(problems) > 1 else "1 problème"
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise UsageError(
            f"{count} dans la liste de classe {path.name} :\n{lines}",
            "Corrigez ces lignes et relancez la même commande ; rien n’a été noté.",
        )
    return learners


def decode(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, with or without BOM. Raises UsageError for any other encoding."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{name} est en UTF-16 (« Texte Unicode » d’Excel), pas en UTF-8.", _SAVE_AS_UTF8)
    if data.startswith(b"PK\x03\x04"):
        raise UsageError(f"{name} est un classeur (xlsx, ods), pas un fichier CSV.", _SAVE_AS_UTF8)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        row = data.splitlines()[line - 1].decode("cp1252", "replace").strip()
        raise UsageError(
            f"{name} n’est pas en UTF-8 : à la ligne {line}, un caractère est illisible "
            f"(en Windows-1252, cette ligne serait « {row[:80]} »).",
            _SAVE_AS_UTF8,
        ) from None
    if "\x00" in text:
        raise UsageError(f"{name} contient des octets nuls : ce n’est pas un fichier CSV en UTF-8.", _SAVE_AS_UTF8)
    return text


def delimiter_of(text: str) -> str:
    """`;` or `,`: the one that the header uses."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return ";" if ";" in header else ","


def parse_roster(text: str) -> tuple[Sequence[Learner], Sequence[Problem]]:
    """The learners of a CSV text, and every problem found, by line."""
    problems: list[Problem] = []
    records = _records(text, problems)
    line, header = next(records, (1, []))
    columns = [_plain(cell) for cell in header]
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        seen = f" Colonnes lues : {', '.join(cell.strip() or '(vide)' for cell in header)}." if header else ""
        problems.append(Problem(line, f"il manque {_listed('la colonne', 'les colonnes', missing)}.{seen}"))
    twice = sorted({column for column in COLUMNS if columns.count(column) > 1})
    if twice:
        problems.append(Problem(line, f"{_listed('la colonne', 'les colonnes', twice)} figure deux fois."))
    if missing == [*COLUMNS] or twice:
        return [], problems
    learners = []
    for line, cells in records:
        if len(cells) != len(columns):
            problems.append(
                Problem(
                    line,
                    f"{len(cells)} {'cellules' if len(cells) > 1 else 'cellule'} au lieu de {len(columns)} : il y a un "
                    "séparateur de trop ou de moins, ou un nom qui en contient doit être entre guillemets.",
                )
            )
            continue
        row = {column: _clean(cell) for column, cell in zip(columns, cells, strict=True) if column in COLUMNS}
        problems += [Problem(line, message) for message in _row_problems(row)]
        learners.append(_learner(row, line))
    if not learners and not problems:
        problems.append(Problem(line, "il n’y a personne sous l’en-tête."))
    for name, of in _UNIQUE.items():
        problems += _duplicates(name, of, learners)
    return [] if missing else learners, sorted(problems, key=lambda problem: problem.line)


def _records(text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, with the line they begin at; a broken quotation is told and ends them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            problems.append(Problem(line, "les guillemets ne vont pas par deux ; la suite n’a pas été lue."))
            return
        if any(cell.strip() for cell in record):
            yield line, record


def _learner(row: Mapping[str, str], line: int) -> Learner:
    identifier, last, first, email, namespace, colleague = (row.get(column, "") for column in COLUMNS)
    return Learner(identifier, last, first, email, namespace, colleague, line)


def _row_problems(row: Mapping[str, str]) -> Iterator[str]:
    for column, value in row.items():  # those that the roster has
        if not value and column not in _MAY_BE_EMPTY:
            yield f"{column} est vide."
    identifier, _last, _first, email, namespace, colleague = (row.get(column, "") for column in COLUMNS)
    if identifier and not _IDENTIFIER.fullmatch(identifier):
        yield (
            f"l’identifiant « {identifier} » ne convient pas : au plus 64 lettres sans accent, chiffres, « . », « _ », "
            "« @ » ou « - », et d’abord une lettre ou un chiffre."
        )
    if email and not _EMAIL.fullmatch(email):
        yield f"« {email} » n’est pas une adresse de courriel."
    for column, name in (("namespace", namespace), ("collegue", colleague)):
        if name and not _NAMESPACE.fullmatch(name):
            yield (
                f"« {name} » ({column}) ne peut pas être le nom d’un namespace : des minuscules sans accent, des "
                "chiffres et des tirets, par exemple user-alice."
            )
    if colleague and colleague == namespace:
        yield f"le collègue de {identifier} est son propre namespace, « {colleague} »."


_UNIQUE: Mapping[str, Callable[[Learner], str]] = {
    "l’identifiant": lambda learner: learner.identifier,
    "l’adresse": lambda learner: learner.email,
    "le namespace": lambda learner: learner.namespace,
}


def _duplicates(name: str, of: Callable[[Learner], str], learners: Sequence[Learner]) -> Iterator[Problem]:
    """Compared without case: two files, or two accounts, must not be mistaken for one another anywhere."""
    first: dict[str, int] = {}
    for learner in learners:
        value = of(learner)
        if value and first.setdefault(value.casefold(), learner.line) != learner.line:
            yield Problem(learner.line, f"{name} « {value} » est déjà à la ligne {first[value.casefold()]}.")


def _plain(name: str) -> str:
    """A column's name without accents, case or spaces: « Prénom » is `prenom`."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _clean(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFC", cell).split())


def _listed(one: str, several: str, names: Sequence[str]) -> str:
    return f"{one if len(names) == 1 else several} {', '.join(names)}"
