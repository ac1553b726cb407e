"""Where each person stands, and what stops most of them: what a board says, out of grades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from fractions import Fraction
from typing import Literal

from checks.grading.results import CheckGrade, LabGrade
from checks.grading.roster import Learner, several
from checks.lab import Lab
from checks.verdict import Said, Status

Kind = Literal["stuck", "open", "done", "absent", "unseen", "waiting"]
"""`stuck`: a sentence is false. `open`: what is left is not seen from afar. `unseen`: not to be
looked at. `waiting`: not looked at yet."""
_SENTENCES = 12  # shown at most
_SAMPLES = 3  # findings of one sentence


class Cell(Said, frozen=True, kw_only=True):
    """A lab of a person. `passed`: sentences that are right, of all; `text`: the same, as it is
    shown. `open`: nothing is wrong, and not all of it is seen from afar."""

    state: Literal["full", "partial", "none", "open"]
    passed: int
    text: str


class Standing(Said, frozen=True, kw_only=True):
    """Where a person stands: the lab that they last moved in, and its first sentence that is not
    right."""

    kind: Kind
    lab: str = ""
    check: str = ""
    sentence: str = ""
    finding: str = ""


class Row(Said, frozen=True, kw_only=True):
    """A person. `since`: when they came to stand there, in seconds since 1970; `at_least`: it may
    be longer, for the board saw no more."""

    id: str
    name: str
    namespace: str
    standing: Standing
    since: float
    at_least: bool
    cells: tuple[Cell, ...] = ()
    lost: str = ""


class Sentence(Said, frozen=True, kw_only=True):
    """A sentence that stops several people, and its lesson, without anybody's name."""

    lab: str
    check: str
    title: str
    count: int
    cause: str
    findings: tuple[str, ...]
    hints: tuple[str, ...]
    since: float


class Progress(Said, frozen=True, kw_only=True):
    """A lab of the class: of how many all of it is right, or a part."""

    lab: str
    title: str
    full: int
    partial: int


def cell(grade: LabGrade) -> Cell:
    """How a lab of a person is shown."""
    passed = sum(check.status is Status.PASSED for check in grade.checks)
    text = f"{passed}/{len(grade.checks)}"
    if not grade.checks:  # not looked at, or not theirs to do
        return Cell(state="open", passed=0, text="?" if Fraction(grade.points_max) else "–")
    if passed == len(grade.checks):
        return Cell(state="full", passed=passed, text=text)
    if any(check.status is Status.FAILED for check in grade.checks):
        return Cell(state="partial" if passed else "none", passed=passed, text=text)
    return Cell(state="open", passed=passed, text=text)


def moved(before: Sequence[LabGrade], now: Sequence[LabGrade]) -> int | None:
    """The last lab of which a sentence has become right or wrong; None where nothing moved. What is
    not seen any more is nobody's move."""
    changed = [
        place
        for place, (old, new) in enumerate(zip(before, now, strict=True))
        if _known(new) - _known(old)
    ]
    return changed[-1] if changed else None


def furthest(grades: Sequence[LabGrade]) -> int:
    """The last lab of which something is right; the first where nothing is."""
    reached = [
        place
        for place, grade in enumerate(grades)
        if any(check.status is Status.PASSED for check in grade.checks)
    ]
    return reached[-1] if reached else 0


def standing(labs: Sequence[Lab], grades: Sequence[LabGrade], place: int) -> Standing:
    """Where somebody stands who was last seen at the lab of this place: there until all of it is
    right, then at the next one that is not."""
    if grades[0].state == "absent":
        return Standing(kind="absent", finding=grades[0].reason)
    if not any(grade.checks for grade in grades):
        why = next((grade.reason for grade in grades if Fraction(grade.points_max)), "")
        return Standing(kind="unseen", finding=why)
    for lab, grade in [*zip(labs, grades, strict=True)][place:]:
        found = _first(grade, Status.FAILED)
        if found is not None:
            return _at(lab, "stuck", found)
        found = _first(grade, Status.ERROR) or _first(grade, Status.UNVERIFIED)
        if found is not None and (lab is labs[place] or lab is labs[-1]):
            return _at(lab, "open", found)
    return Standing(kind="done", lab=labs[-1].short_name.upper())


def _at(lab: Lab, kind: Kind, check: CheckGrade) -> Standing:
    return Standing(
        kind=kind,
        lab=lab.short_name.upper(),
        check=check.id,
        sentence=check.title,
        finding=check.finding,
    )


def _first(grade: LabGrade, status: Status) -> CheckGrade | None:
    return next((check for check in grade.checks if check.status is status), None)


def _known(grade: LabGrade) -> Set[tuple[str, Status]]:
    """What is known of each sentence; how it came to be known is no move of anybody's."""
    return {
        (check.id, check.status)
        for check in grade.checks
        if check.status in (Status.PASSED, Status.FAILED)
    }


def sentences(
    labs: Sequence[Lab],
    people: Iterable[tuple[Learner, Row, Sequence[LabGrade]]],
) -> Sequence[Sentence]:
    """What stops people, what stops most of them first."""
    by_name = {lab.short_name.upper(): (place, lab) for place, lab in enumerate(labs)}
    found: dict[tuple[str, str], list[tuple[Learner, Row, CheckGrade]]] = {}
    for learner, row, grades in people:
        stop = row.standing
        if stop.kind == "stuck":
            place, _ = by_name[stop.lab]
            check = next(one for one in grades[place].checks if one.id == stop.check)
            found.setdefault((stop.lab, stop.check), []).append((learner, row, check))
    told = [_sentence(by_name[lab][1], stopped) for (lab, _), stopped in found.items()]
    return sorted(told, key=lambda one: (-one.count, one.lab, one.title))[:_SENTENCES]


def _sentence(lab: Lab, stopped: Sequence[tuple[Learner, Row, CheckGrade]]) -> Sentence:
    findings = _most_told(nameless(check.finding, who) for who, _, check in stopped)
    causes = _most_told(nameless(check.cause, who) for who, _, check in stopped)
    check = stopped[0][2]
    return Sentence(
        lab=lab.short_name.upper(),
        check=check.id,
        title=check.title,
        count=len(stopped),
        cause=causes[0] if causes else "",
        findings=findings[:_SAMPLES],
        hints=tuple(lab.about.hints.get(check.id, ())),
        since=min(row.since for _, row, _ in stopped),
    )


def _most_told(words: Iterable[str]) -> tuple[str, ...]:
    counted: dict[str, int] = {}
    for one in words:
        if one:
            counted[one] = counted.get(one, 0) + 1
    return tuple(sorted(counted, key=lambda one: (-counted[one], one)))


def nameless(words: str, learner: Learner) -> str:
    """What is said of somebody, without the names that tell who it is."""
    for name in several(learner.colleague):
        words = words.replace(name, "‹collègue›")
    for name in (learner.namespace, learner.namespace.removeprefix("user-")):
        words = words.replace(name, "‹namespace›") if len(name) > 2 else words
    return words


def progress(labs: Sequence[Lab], rows: Sequence[Row]) -> Sequence[Progress]:
    """How far the class is, lab by lab."""
    cells = [[row.cells[place] for row in rows if row.cells] for place in range(len(labs))]
    return [
        Progress(
            lab=lab.short_name.upper(),
            title=lab.about.title,
            full=sum(one.state == "full" for one in own),
            partial=sum(one.state != "full" and one.passed > 0 for one in own),
        )
        for lab, own in zip(labs, cells, strict=True)
    ]
