"""What a teacher looks for first: the class in a few figures, and how its marks spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from checks.grading.exports.marks import OUT_OF, out_of, short
from checks.grading.results import ClassGrades, LabGrade, LearnerGrades

_WIDE = 2  # marks of a row of the distribution
CLASSES = ("0", "moins de 10", "10 et plus", "20")
"""Those of a lab's marks."""


@dataclass(frozen=True)
class Bar:
    """So many people. `width`: percent of the longest."""

    words: str
    count: int
    width: float


@dataclass(frozen=True)
class Spread:
    """The marks of a lab: how many there are, their mean and median ("" where there is none), and
    how many of each class."""

    short_name: str
    title: str
    count: int
    mean: str
    median: str
    classes: Sequence[int]


@dataclass(frozen=True)
class Figures:
    """The class in a few figures."""

    people: int
    begun: int
    finished: int
    graded: int
    mean: str
    median: str


def figures(grades: ClassGrades) -> Figures:
    """The figures of a class; means and medians are of the marks that there are."""
    marks = _marks(grades.learners)
    return Figures(
        people=len(grades.learners),
        begun=sum(any(map(_begun, each.labs)) for each in grades.learners),
        finished=sum(
            each.state == "graded" and 0 < Fraction(each.points_max) == Fraction(each.points)
            for each in grades.learners
        ),
        graded=len(marks),
        mean=_mean(marks),
        median=_median(marks),
    )


def distribution(grades: ClassGrades) -> Sequence[Bar]:
    """How many people have each total, by steps; none where nobody has a mark."""
    marks = _marks(grades.learners)
    if not marks:
        return []
    counts = [0] * (OUT_OF // _WIDE)
    for mark in marks:
        counts[min(int(mark // _WIDE), len(counts) - 1)] += 1
    last = len(counts) - 1
    return [
        Bar(
            f"de {low} à {OUT_OF}" if number == last else f"de {low} à moins de {low + _WIDE}",
            count,
            round(count / max(counts) * 100, 1),
        )
        for number, count in enumerate(counts)
        for low in (number * _WIDE,)
    ]


def spreads(grades: ClassGrades) -> Sequence[Spread]:
    """The marks of each lab."""
    found = []
    for index, info in enumerate(grades.labs):
        marks = _marks([each.labs[index] for each in grades.learners])
        half = Fraction(OUT_OF, 2)
        found.append(
            Spread(
                info.short_name.upper(),
                info.title,
                len(marks),
                _mean(marks),
                _median(marks),
                [
                    sum(not mark for mark in marks),
                    sum(0 < mark < half for mark in marks),
                    sum(half <= mark < OUT_OF for mark in marks),
                    sum(mark == OUT_OF for mark in marks),
                ],
            )
        )
    return found


def _begun(lab: LabGrade) -> bool:
    """Whether something of the lab was seen, or a receipt tells of it."""
    return bool(Fraction(lab.points) or lab.receipt or (lab.checks and lab.begun))


def _marks(grades: Sequence[LabGrade | LearnerGrades]) -> Sequence[Fraction]:
    return [mark for mark in map(out_of, grades) if mark is not None]


def _mean(marks: Sequence[Fraction]) -> str:
    return short(sum(marks, Fraction()) / len(marks)) if marks else ""


def _median(marks: Sequence[Fraction]) -> str:
    return short(Fraction(median(marks))) if marks else ""
