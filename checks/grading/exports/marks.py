"""From exact points to what is shown: the only place where a mark is rounded."""

from __future__ import annotations

import math
from fractions import Fraction

from checks.grading.results import LabGrade, LearnerGrades

OUT_OF = 20


def out_of(grade: LabGrade | LearnerGrades, maximum: Fraction | int = OUT_OF) -> Fraction | None:
    """The exact mark out of `maximum`; None where something is still to be decided: no mark is no
    zero."""
    total = Fraction(grade.points_max)
    if grade.state != "graded" or not total:
        return None
    return Fraction(grade.points) / total * maximum


def bounds(grade: LabGrade | LearnerGrades) -> tuple[Fraction, Fraction]:
    """The marks out of 20 that the open points leave possible: the lowest and the highest."""
    total = Fraction(grade.points_max) or Fraction(1)
    low = Fraction(grade.points) / total * OUT_OF
    return low, low + Fraction(grade.points_open) / total * OUT_OF


def rounded(number: Fraction, places: int = 2) -> int:
    """`number` in units of its last decimal place, halves up."""
    return math.floor(number * Fraction(10) ** places + Fraction(1, 2))


def decimal(number: Fraction, places: int = 2, sign: str = ",") -> str:
    """`number` (zero or more) with exactly `places` decimals, halves rounded up."""
    whole, rest = divmod(rounded(number, places), 10**places)
    return f"{whole}{sign}{rest:0{places}d}"


def short(number: Fraction) -> str:
    """`number` for reading: a decimal comma, at most two decimals, none when it is whole."""
    return decimal(number).rstrip("0").rstrip(",")


def mark(grade: LabGrade | LearnerGrades) -> str:
    """The mark out of 20 for reading, "" where there is none."""
    exact = out_of(grade)
    return "" if exact is None else short(exact)
