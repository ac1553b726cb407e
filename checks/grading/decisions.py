"""What nothing could judge, for the teacher to settle: a small CSV file, written with one line a
reason, and read back with its marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import msgspec

from checks.errors import UsageError
from checks.files import write_atomically
from checks.french import plural
from checks.grading.columns import plain
from checks.grading.exports.cells import write
from checks.grading.exports.marks import OUT_OF, bounds, short
from checks.grading.results import DECISIONS, ClassGrades, LabGrade, of_class
from checks.grading.roster import Learner, several
from checks.grading.table import decoded, rows, separator_of
from checks.lab import Lab

HEADER = ("personnes", "tp", "note", "au moins", "au plus", "motif", "raison")
_NEEDED = HEADER[:3]
_EVERYBODY = "*"


@dataclass(frozen=True)
class Decision:
    """A line: who, which lab, the mark out of 20 (None: not settled yet), and why."""

    line: int
    people: Sequence[str]
    lab: str
    mark: Fraction | None
    why: str = ""
    low: str = ""
    high: str = ""
    reason: str = ""

    def is_about(self, identifier: str, lab: str) -> bool:
        """Whether it settles that lab of that person."""
        return self.lab == lab and (_EVERYBODY in self.people or identifier in self.people)


def read(path: Path, labs: Sequence[Lab]) -> Sequence[Decision]:
    """The lines that settle something, of people who have left the class too (see `strangers`).
    Raises UsageError with every problem and its line."""
    try:
        text = decoded(path.read_bytes(), path.name).text
    except OSError as error:
        raise UsageError(
            f"Les décisions {path} sont illisibles : {error.strerror}.",
            "Vérifiez le nom de ce fichier et ses droits.",
        ) from None
    found = list(rows(text, separator_of(text)))
    header = [plain(cell) for cell in found[0].cells] if found else []
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise UsageError(
            f"{path.name} n’a pas de colonne « {missing[0]} ».",
            f"Partez du fichier {DECISIONS} que « cahier noter » écrit, ou de cet en-tête : "
            f"{';'.join(_NEEDED)}",
        )
    problems: list[str] = []
    decisions = []
    for row in found[1:]:
        cells = dict(zip(header, row.cells, strict=False))
        if not row.broken and not cells.get("note"):
            continue  # nobody has settled anything there: what is still open is written anew
        decision = _decision(row.line, cells, labs)
        wrong = list(_problems(decision, cells, labs))
        problems += [f"  ligne {row.line} : {one}" for one in wrong]
        decisions.append(decision)
    if problems:
        raise UsageError(
            f"{plural(len(problems), 'problème')} dans les décisions {path.name} :\n"
            + "\n".join(problems),
            "Corrigez ces lignes, ou supprimez-les ; rien n’a été noté.",
        )
    return decisions


def _decision(line: int, cells: Mapping[str, str], labs: Sequence[Lab]) -> Decision:
    names = {one: lab.name for lab in labs for one in (lab.name, lab.short_name)}
    return Decision(
        line,
        several(cells.get("personnes", "")),
        names.get(cells.get("tp", "").casefold(), ""),
        _number(cells.get("note", "")),
        cells.get("motif", ""),
        cells.get("au moins", ""),
        cells.get("au plus", ""),
        cells.get("raison", ""),
    )


def _number(cell: str) -> Fraction | None:
    try:
        return Fraction(cell.replace(",", ".")) if cell else None
    except (ValueError, ZeroDivisionError):
        return None


def _problems(decision: Decision, cells: Mapping[str, str], labs: Sequence[Lab]) -> Iterator[str]:
    if not decision.people:
        yield "personne n’y est nommé (« * » veut dire tout le monde)."
    if not decision.lab:
        told = ", ".join(lab.short_name for lab in labs)
        yield f"« {cells.get('tp', '')[:60]} » n’est pas l’un des TP notés ({told})."
    written = cells.get("note", "")
    if written and (decision.mark is None or not 0 <= decision.mark <= OUT_OF):
        yield (
            f"« {written[:60]} » n’est pas une note sur {OUT_OF} ; laissez vide pour ne pas "
            "trancher."
        )


def strangers(decisions: Sequence[Decision], learners: Sequence[Learner]) -> Mapping[int, str]:
    """Whom decisions name who is not in the class, the first of each line: they have left, or are
    misspelled."""
    known = {learner.identifier for learner in learners} | {_EVERYBODY}
    return {
        one.line: next(name for name in one.people if name not in known)
        for one in decisions
        if not known.issuperset(one.people)
    }


def apply(
    grades: ClassGrades,
    decisions: Sequence[Decision],
    learners: Sequence[Learner],
    labs: Sequence[Lab],
) -> ClassGrades:
    """The marks with what the teacher has settled; of two lines about the same, the last counts.
    None lowers what is proven."""
    marks = {}
    for learner, theirs in zip(learners, grades.learners, strict=True):
        for grade in theirs.labs:
            settled = grade
            for decision in decisions:
                if decision.mark is not None and decision.is_about(learner.identifier, grade.lab):
                    settled = _settled(grade, decision, decision.mark)
            marks[learner.identifier, grade.lab] = settled
    return of_class(learners, labs, marks)


def _settled(grade: LabGrade, decision: Decision, mark: Fraction) -> LabGrade:
    points = mark / OUT_OF * Fraction(grade.points_max)
    if points <= Fraction(grade.points) and grade.state == "graded":
        return grade
    why = f" : {decision.why}" if decision.why else ""
    return msgspec.structs.replace(
        grade,
        state="graded",
        points=str(max(points, Fraction(grade.points))),
        points_open="0",
        reason=f"Décidé par l’enseignant{why}.".replace("..", "."),
        settled=True,
    )


def open_lines(grades: ClassGrades) -> Sequence[Decision]:
    """What is still to be settled: one line for all those who have the same reason and bounds."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for learner in grades.learners:
        for grade in learner.labs:
            if grade.state != "graded":
                low, high = bounds(grade)
                reason = grade.reason.replace(learner.namespace, "‹namespace›")
                found.setdefault((grade.lab, short(low), short(high), reason), []).append(
                    learner.identifier
                )
    return [
        Decision(0, people, lab, None, "", low, high, reason)
        for (lab, low, high, reason), people in found.items()
    ]


def save(folder: Path, grades: ClassGrades, decisions: Sequence[Decision]) -> int:
    """Write the file: what was settled, then what is not; none where there is neither. How many
    lines are not. Raises OSError."""
    path = folder / DECISIONS
    names = {lab.name: lab.short_name for lab in grades.labs}
    still_open = open_lines(grades)
    lines = [*(one for one in decisions if one.mark is not None), *still_open]
    if lines:
        table = [HEADER, *(_row(replace(one, lab=names[one.lab])) for one in lines)]
        write_atomically(path, b"\xef\xbb\xbf" + write(table, ";").encode())
    else:
        path.unlink(missing_ok=True)
    return len(still_open)


def _row(one: Decision) -> Sequence[str]:
    mark = "" if one.mark is None else short(one.mark)
    return (" ".join(one.people), one.lab, mark, one.low, one.high, one.why, one.reason)
