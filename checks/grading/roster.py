"""The class as the teacher gives it: a CSV file or a workbook, read whole and judged whole before
anything is graded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from checks.errors import UsageError
from checks.french import enumeration, plural
from checks.grading import groups, naming, workbook
from checks.grading.columns import (
    COLUMNS,
    GROUP,
    Header,
    Table,
    header_of,
    plain,
    table_in,
    table_of,
)
from checks.grading.naming import NamespaceModel
from checks.grading.table import SAVE_AS_UTF8, SEPARATORS, Row, Text, decoded
from checks.grading.workbook import Sheet
from checks.lab import Lab, Role

ROLE = "role"
"""A column that may tell who relays and who owns."""
_ROLES: Mapping[str, Role] = {
    "relaie": "relay",
    "relais": "relay",
    "possede": "owner",
    "proprietaire": "owner",
}
_MAY_BE_EMPTY = {"collegue", GROUP, "prenom"}

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
    "user-alice, ou le namespace de son projet ; si une autre colonne le donne, "
    f"{naming.OPTION} '{naming.EXAMPLE}' suffit"
)


@dataclass(frozen=True)
class Learner:
    """One line of the roster. `colleague` is a namespace, several for a team, "" when there is
    none; `line` counts from 1. `groups`: those that tell the colleagues, where nothing else
    does. `role`: the one that they have in the labs at two, "" for both."""

    identifier: str
    last_name: str
    first_name: str
    email: str
    namespace: str
    colleague: str = ""
    line: int = 0
    groups: Sequence[str] = ()
    role: Role = ""

    @property
    def name(self) -> str:
        """First name, then last name."""
        return f"{self.first_name} {self.last_name}".strip()

    def does(self, lab: Lab) -> bool:
        """Whether a lab is theirs to do."""
        return not self.role or lab.role in ("", self.role)

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


def read_roster(path: Path, model: NamespaceModel | None = None) -> Sequence[Learner]:
    """The learners, in the order of the file. `model`: how a namespace is made where none is told.
    Raises UsageError with every problem and its line."""
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
    found: Text | Sheet
    if workbook.is_workbook(data):
        found = _sheet(workbook.sheets(data, path.name), path.name)
        read_as, save = (f", feuille « {found.name} »" if found.name else ""), ""
        learners, problems = _parse(table_in(found.rows), model)
    else:
        found = decoded(data, path.name)
        read_as, save = (
            (f", lue en {found.encoding}", f" {SAVE_AS_UTF8}") if found.encoding else ("", "")
        )
        learners, problems = parse_roster(found.text, model)
        problems = [*_misread(found), *problems]
    if problems:
        count = plural(len(problems), "problème")
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise UsageError(
            f"{count} dans la liste de classe {path.name}{read_as} :\n{lines}",
            f"Corrigez ces lignes et relancez la même commande ; rien n’a été noté.{save}",
        )
    return learners


def _sheet(found: Sequence[Sheet], name: str) -> Sheet:
    """The sheet where the class is, named where there are others. Raises UsageError where there are
    two: half of the class would be forgotten."""
    lists = [sheet for sheet in found if any(_tells_people(row) for row in sheet.rows)]
    if len(lists) > 1:
        told = [f"« {one.name} »{' (masquée)' if one.hidden else ''}" for one in lists]
        raise UsageError(
            f"{name} a {len(lists)} feuilles où figurent des personnes : {enumeration(told)}.",
            "Réunissez-les en une seule, ou supprimez celles qui ne sont pas la liste.",
        )
    filled = [sheet for sheet in found if sheet.rows]
    sheet = next(iter([*lists, *filled]), Sheet("", False, ()))
    return sheet if len(filled) > 1 else replace(sheet, name="")


def _tells_people(row: Row) -> bool:
    return header_of(row).is_one or any(_EMAIL.fullmatch(cell) for cell in row.cells)


def _misread(found: Text) -> Iterator[Problem]:
    if found.line:
        row = re.split(r"\r\n|\r|\n", found.text)[found.line - 1].strip()
        yield Problem(
            found.line,
            f"un caractère est illisible : la liste n’est pas en UTF-8 (en {found.encoding}, cette "
            f"ligne serait « {row[:80]} »).",
        )


def parse_roster(
    text: str, model: NamespaceModel | None = None
) -> tuple[Sequence[Learner], Sequence[Problem]]:
    """The learners of a CSV text, and every problem found, by line."""
    return _parse(table_of(text), model)


def _parse(
    table: Table, model: NamespaceModel | None
) -> tuple[Sequence[Learner], Sequence[Problem]]:
    header = table.header
    if header is None:
        return [], [Problem(1, "la liste est vide, ou ses guillemets ne vont pas par deux.")]
    first = header.line
    problems = list(_header_problems(header, model))
    learners: list[Learner] = []
    roles: dict[int, str] = {}
    for row in table.rows:
        again = header_of(row)
        # a second one: two lists, glued
        if row.line == first or (again.is_one and row.line > first):
            problems += _header_problems(again, model) if row.line > first else ()
            header = again
            continue
        found = list(
            _above(row, first) if row.line < first else _misshapen(row, header, table.separator)
        )
        problems += found
        if found or not header.places or row.line < first or _is_sum(row):
            continue
        problems += _unclear(row, header)
        values = _values(row, header, model)
        problems += [Problem(row.line, message) for message in _row_problems(values)]
        learners.append(_learner(values, row.line, header))
        roles[row.line] = header.named(row).get(ROLE, "")
    if not learners and not problems:
        problems.append(Problem(first, "il n’y a personne sous l’en-tête."))
    for name, of in _UNIQUE.items():
        problems += _duplicates(name, of, learners)
    learners, strange = _with_roles(learners, roles)
    problems += strange
    colleagues, unsure = groups.colleagues(learners)
    problems += [Problem(line, message) for line, message in unsure]
    learners = [replace(one, colleague=colleagues.get(one.line, one.colleague)) for one in learners]
    return [] if problems else learners, sorted(problems, key=lambda problem: problem.line)


def _values(row: Row, header: Header, model: NamespaceModel | None) -> Mapping[str, str]:
    """The cells of the columns that are known, and that can be read; a namespace that is not told
    is made."""
    values = {
        name: row.cells[place] for name, place in header.places.items() if place not in row.unclear
    }
    if model is not None and not values.get("namespace"):
        values["namespace"] = model.namespace(header.named(row))
    return values


def _unclear(row: Row, header: Header) -> Iterator[Problem]:
    """What a workbook shows otherwise than it can be read, where it counts: once for merged cells,
    however many they are."""
    told: dict[str, list[str]] = {}
    for name, place in header.places.items():
        if row.unclear.get(place) and (name != GROUP or header.paired_by_groups):
            told.setdefault(row.unclear[place], []).append(header.columns[place])
    for why, columns in told.items():
        yield Problem(row.line, f"{enumeration(columns)} : {why}")


def _learner(values: Mapping[str, str], line: int, header: Header) -> Learner:
    identifier, last, first, email, namespace, colleague = (
        values.get(column, "") for column in COLUMNS
    )
    told = groups.groups_of(values.get(GROUP, "")) if header.paired_by_groups else ()
    return Learner(identifier, last, first, email, namespace, colleague, line, told)


def _with_roles(
    learners: list[Learner], written: Mapping[int, str]
) -> tuple[list[Learner], Sequence[Problem]]:
    """The same people with the role that their line tells. A column where nobody has one of ours is
    another program's, which calls all of them students."""
    if not any(plain(cell) in _ROLES for cell in written.values()):
        return learners, ()
    problems = [
        Problem(
            line,
            f"« {cell[:60]} » (role) n’est pas un rôle : « relaie », « possède », ou rien pour "
            "les deux.",
        )
        for line, cell in written.items()
        if cell and plain(cell) not in _ROLES
    ]
    return [
        replace(one, role=_ROLES.get(plain(written.get(one.line, "")), "")) for one in learners
    ], problems


def _header_problems(header: Header, model: NamespaceModel | None) -> Iterator[Problem]:
    missing = [column for column in COLUMNS if column not in header.places]
    if not header.places and any(_EMAIL.fullmatch(cell) for cell in header.columns):
        yield Problem(
            header.line, f"les colonnes ne sont pas nommées : écrivez au-dessus {';'.join(COLUMNS)}"
        )
        return
    # another program's list knows of no colleague; groups tell them too
    if "collegue" in missing and (header.foreign or header.paired_by_groups):
        missing.remove("collegue")
    if "namespace" in missing and model is not None:
        missing.remove("namespace")
    if missing:
        how = f" : {_NAMESPACE_HOW}" if missing == ["namespace"] else ""
        pairs = (
            " Pour les TP à deux, ajoutez aussi « collegue », ou « groupe »."
            if how and not {"collegue", GROUP} & header.places.keys()
            else ""
        )
        names = _listed("la colonne", "les colonnes", missing)
        yield Problem(header.line, f"il manque {names}{how}.{pairs} Colonnes lues : {header.said}.")
    twice = [name for name in header.twice if name != GROUP or header.paired_by_groups]
    if twice:
        names = _listed("la colonne", "les colonnes", sorted(twice))
        yield Problem(header.line, f"{names} figure{'nt' if len(twice) > 1 else ''} deux fois.")
    known = {*map(plain, header.columns), *header.places}
    unknown = [name for name in (model.columns if model else ()) if plain(name) not in known]
    if unknown:
        names = _listed("la colonne", "les colonnes", [f"« {name} »" for name in unknown])
        yield Problem(
            header.line,
            f"{naming.OPTION} nomme {names}, que cette liste n’a pas. Colonnes lues : "
            f"{header.said}.",
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
    if not separator:
        yield Problem(row.line, "une cellule est remplie dans une colonne qui n’a pas de nom.")
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
