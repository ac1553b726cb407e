"""What the HTML pages share: the templates, and each lab of a learner as the pages draw it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from checks.drawing import Step, steps
from checks.grading.exports.marks import bounds, mark, out_of, short
from checks.grading.results import CheckGrade, LabGrade, LabInfo, LearnerGrades, Points
from checks.lab import Hop
from checks.verdict import Status

_PARTS = 4096  # pieces of a page that are encoded together


@dataclass(frozen=True)
class Cell:
    """A lab (or the total) of a learner. `kind`: full, partial, none, review, absent or exempt;
    `order` sorts cells."""

    kind: str
    symbol: str
    text: str
    words: str
    order: float


@dataclass(frozen=True)
class Told:
    """A lab of a learner, ready to be drawn. The words of each state go with it: a symbol is never
    alone."""

    short_name: str
    title: str
    grade: LabGrade
    cell: Cell
    path: Sequence[tuple[Step, str]]
    checks: Sequence[tuple[CheckGrade, str, str]]


def page(name: str, **values: object) -> bytes:
    """A template with its values, in UTF-8."""
    stream = environment().get_template(name).stream(**values)
    stream.enable_buffering(_PARTS)  # a report of a thousand people is read by parts
    return b"".join(part.encode() for part in stream)


@cache
def environment(*packages: str) -> Environment:
    """Templates of these packages, then ours: everything in them is escaped."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in (*packages, "checks.grading")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["points"] = _points
    environment.filters["digest"] = digest
    return environment


@cache
def _points(points: Points) -> str:
    return short(Fraction(points))


def script(name: str) -> Markup:
    """A script of ours, for a page that runs no other."""
    source, _, _ = PackageLoader("checks.grading").get_source(environment(), name)
    return Markup(source)


def digest(source: str) -> Markup:
    """What a page's policy calls its script:
    https://www.w3.org/TR/CSP3/#match-element-to-source-list."""
    return Markup(f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}")


def cell(grade: LabGrade | LearnerGrades) -> Cell:
    """How a grade is shown: a symbol, a text and words, so that colour is never alone."""
    low, high = bounds(grade)
    if grade.state == "absent":
        return Cell("absent", "–", "absent", "absent, sans note", -2)
    if not Fraction(grade.points_max):
        return Cell("exempt", "–", "", "sans objet", -3)
    exact = out_of(grade)
    if exact is None:
        return Cell(
            "review", "?", f"{short(low)} à {short(high)}", "à revoir, sans note, entre", -1
        )
    kind, symbol, words = "partial", "◐", "en partie,"
    if high == 20:
        kind, symbol, words = "full", "✔", "réussi,"
    elif not exact:
        kind, symbol, words = "none", "✘", "rien de juste,"
    if isinstance(grade, LabGrade):
        if not grade.begun:
            symbol, words = "○", "pas commencé,"
        elif grade.settled:
            words = "décidé par l’enseignant,"
        elif grade.removed:
            symbol, words = "↺", f"{words} retiré depuis,"
    return Cell(kind, symbol, mark(grade), words, round(float(exact), 6))


def told(
    infos: Sequence[LabInfo], learner: LearnerGrades, paths: Mapping[str, Sequence[Hop]]
) -> Sequence[Told]:
    """Every lab of a learner."""
    return [
        Told(
            info.short_name.upper(),
            info.title,
            grade,
            cell(grade),
            _path(paths.get(grade.lab, ()), grade),
            [(check, check.status.symbol, check.status.words) for check in grade.checks],
        )
        for info, grade in zip(infos, learner.labs, strict=True)
    ]


def _path(path: Sequence[Hop], grade: LabGrade) -> Sequence[tuple[Step, str]]:
    if not grade.checks:
        return ()
    return _steps(tuple(path), tuple((check.id, check.status) for check in grade.checks))


@lru_cache(1024)  # many people are at the same place
def _steps(
    path: tuple[Hop, ...], statuses: tuple[tuple[str, Status], ...]
) -> Sequence[tuple[Step, str]]:
    return [(step, step.status.words) for step in steps(path, dict(statuses))]
