"""`retours/IDENTIFIANT.html`: what one learner is shown, which is about nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checks.grading.exports import pages
from checks.grading.results import ClassGrades, LearnerGrades
from checks.lab import Hop


def render(
    grades: ClassGrades, learner: LearnerGrades, paths: Mapping[str, Sequence[Hop]]
) -> bytes:
    """The page, in UTF-8."""
    return pages.page(
        "feedback.html",
        learner=learner,
        total=pages.cell(learner),
        labs=pages.told(grades.labs, learner, paths),
    )
