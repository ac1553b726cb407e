"""`notes-tableur.csv`: opens with a double click in a French spreadsheet (semicolons, decimal
comma, BOM)."""

from __future__ import annotations

from fractions import Fraction

from checks.grading.exports.cells import write
from checks.grading.exports.marks import decimal, out_of
from checks.grading.results import ClassGrades, LabGrade, LearnerGrades, by_receipt

STATES = {"graded": "noté", "review": "à revoir", "absent": "absent"}


def render(grades: ClassGrades) -> bytes:
    """The file, in UTF-8 with BOM."""
    header = ["Identifiant", "Nom", "Prénom", "Adresse de courriel", "Namespace", "État"]
    header += [f"{lab.short_name.upper()} /20" for lab in grades.labs]
    header += ["Total /20", "Points acquis", "Points à vérifier", "Points possibles", "À revoir"]
    header += ["Points d’après un reçu seul", "Explications"]
    rows = [header]
    for learner in grades.learners:
        row = [
            learner.identifier,
            learner.last_name,
            learner.first_name,
            learner.email,
            learner.namespace,
        ]
        row += [STATES[learner.state], *map(_mark, learner.labs), _mark(learner)]
        row += [
            decimal(Fraction(each))
            for each in (learner.points, learner.points_open, learner.points_max)
        ]
        row += [_to_review(grades, learner), decimal(by_receipt(*learner.labs))]
        rows.append([*row, _explained(grades, learner)])
    return b"\xef\xbb\xbf" + write(rows, ";").encode()


def _mark(grade: LabGrade | LearnerGrades) -> str:
    exact = out_of(grade)
    return "" if exact is None else decimal(exact)


def _to_review(grades: ClassGrades, learner: LearnerGrades) -> str:
    if learner.state == "absent":
        return learner.labs[0].reason if learner.labs else ""
    names = {lab.name: lab.short_name.upper() for lab in grades.labs}
    return " | ".join(
        f"{names[lab.lab]} : {lab.reason}" for lab in learner.labs if lab.state != "graded"
    )


def _explained(grades: ClassGrades, learner: LearnerGrades) -> str:
    """Why marks are what they are, where what is there now does not tell."""
    names = {lab.name: lab.short_name.upper() for lab in grades.labs}
    return " | ".join(
        f"{names[lab.lab]} : {lab.reason}"
        for lab in learner.labs
        if lab.state == "graded" and lab.reason
    )
