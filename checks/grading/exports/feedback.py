"""`retours/IDENTIFIANT.html`: what one learner is shown, which is about nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from checks.grading.exports import pages
from checks.grading.results import CheckGrade, ClassGrades, LearnerGrades
from checks.lab import Hop
from checks.verdict import Status

_TO_YOU = {
    "le seul reçu de la personne": "votre seul reçu",
    "seul le reçu de la personne": "seul votre reçu",
    "quand la personne l’a vérifié": "quand vous l’avez vérifié",
    "Décidé par l’enseignant": "Décidé par votre enseignant",
    " (--recus ignorer)": "",
}
"""What the teacher is told of a person, as the person is told it."""


_UNTOLD = (Status.UNVERIFIED, Status.ERROR)


@dataclass(frozen=True)
class Left:
    """A lab that is not all right: how many of its sentences are, and the first that is not.
    `what`: whether it is wrong, or only could not be told."""

    anchor: str
    short_name: str
    title: str
    right: int
    count: int
    what: str
    sentence: str
    fix: str


def render(
    grades: ClassGrades, learner: LearnerGrades, paths: Mapping[str, Sequence[Hop]]
) -> bytes:
    """The page, in UTF-8."""
    learner = _addressed(learner)
    labs = [lab for lab in learner.labs if lab.checks]
    return pages.page(
        "feedback.html",
        learner=learner,
        right=sum(
            check.status is Status.PASSED for lab in labs if lab.begun for check in lab.checks
        ),
        count=sum(len(lab.checks) for lab in labs),
        left=_left(grades, learner),
        total=pages.cell(learner),
        labs=pages.told(grades.labs, learner, paths),
    )


def _left(grades: ClassGrades, learner: LearnerGrades) -> Sequence[Left]:
    """What is still to be done, lab by lab."""
    found = []
    for info, lab in zip(grades.labs, learner.labs, strict=True):
        wrong = [one for one in lab.checks if not lab.begun or one.status is not Status.PASSED]
        if wrong and not lab.settled:
            first = next((one for one in wrong if one.status is Status.FAILED), wrong[0])
            found.append(
                Left(
                    lab.lab,
                    info.short_name.upper(),
                    info.title,
                    len(lab.checks) - len(wrong) if lab.begun else 0,
                    len(lab.checks),
                    "Pas encore vérifiée" if first.status in _UNTOLD else "La prochaine",
                    first.title,
                    first.fix,
                )
            )
    return found


def _addressed(learner: LearnerGrades) -> LearnerGrades:
    """The same, told to the person."""
    labs = [
        msgspec.structs.replace(
            lab,
            reason=_to_you(lab.reason),
            checks=tuple(_told(check) for check in lab.checks),
        )
        for lab in learner.labs
    ]
    return msgspec.structs.replace(learner, labs=tuple(labs))


def _told(check: CheckGrade) -> CheckGrade:
    said = _to_you(check.finding)
    return check if said == check.finding else msgspec.structs.replace(check, finding=said)


def _to_you(text: str) -> str:
    for theirs, yours in _TO_YOU.items():
        text = text.replace(theirs, yours)
    return text
