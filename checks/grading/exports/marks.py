"""From exact points to what is shown: the only place where a mark is rounded."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from checks.grading.results import LabGrade, LearnerGrades, Points

OUT_OF = 20


def out_of(grade: LabGrade | LearnerGrades, maximum: Fraction | int = OUT_OF) -> Fraction | None:
    """The exact mark out of `maximum`; None where something is still to be decided: no mark is no
    zero."""
    if grade.state != "graded":
        return None
    return _part(grade.points, grade.points_max, maximum)


@lru_cache(4096)  # of a class, the same few are asked again and again
def _part(points: Points, whole: Points, maximum: Fraction | int) -> Fraction | None:
    return Fraction(points) / Fraction(whole) * maximum if Fraction(whole) else None


def bounds(grade: LabGrade | LearnerGrades) -> tuple[Fraction, Fraction]:
    """The marks out of 20 that the open points leave possible: the lowest and the highest."""
    return _bounds(grade.points, grade.points_open, grade.points_max)


@lru_cache(4096)
def _bounds(points: Points, still_open: Points, whole: Points) -> tuple[Fraction, Fraction]:
    total = Fraction(whole) or Fraction(1)
    low = Fraction(points) / total * OUT_OF
    return low, low + Fraction(still_open) / total * OUT_OF


def rounded(number: Fraction, places: int = 2) -> int:
    """`number` in units of its last decimal place, halves up."""
    return math.floor(number * Fraction(10) ** places + Fraction(1, 2))


def decimal(number: Fraction, places: int = 2, sign: str = ",") -> str:
    """`number` (zero or more) with exactly `places` decimals, halves rounded up."""
    whole, rest = divmod(rounded(number, places), 10**places)
    return f"{whole}{sign}{rest:0{places}d}"


@lru_cache(4096)
def short(number: Fraction) -> str:
    """`number` for reading: a decimal comma, at most two decimals, none when it is whole."""
    return decimal(number).rstrip("0").rstrip(",")


def mark(grade: LabGrade | LearnerGrades) -> str:
    """The mark out of 20 for reading, "" where there is none."""
    exact = out_of(grade)
    return "" if exact is None else short(exact)
