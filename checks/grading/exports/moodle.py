"""`notes-moodle.csv`: for the import of a Moodle gradebook (commas, decimal point, marks out of
20).

Moodle refuses the whole file for one mark that is no number; an empty cell is "no mark". Names are
left out: learners are matched by identification number or e-mail.
"""

from __future__ import annotations

from checks.grading.exports.cells import write
from checks.grading.exports.marks import decimal, out_of
from checks.grading.results import ClassGrades, LabGrade, LearnerGrades


def render(grades: ClassGrades) -> bytes:
    """The file, in UTF-8 without BOM."""
    header = ["Numéro d'identification", "Adresse de courriel"]
    header += [f"{lab.short_name.upper()} : {lab.title}" for lab in grades.labs]
    rows = [[*header, "Total"]]
    for learner in grades.learners:
        marks = [*map(_mark, learner.labs), _mark(learner)]
        rows.append([learner.identifier, learner.email, *marks])
    return write(rows, ",").encode()


def _mark(grade: LabGrade | LearnerGrades) -> str:
    exact = out_of(grade)
    return "" if exact is None else decimal(exact, sign=".")
