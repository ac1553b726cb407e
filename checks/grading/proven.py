"""A mark is the best that was proven, and when: what is there now, what the history has kept, and
what receipts vouch for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal

import msgspec

from checks.french import moment, plural
from checks.grading.exports.marks import short
from checks.grading.grade import Seen
from checks.grading.history import Best, Change, Found, History, best_of
from checks.grading.results import (
    CheckGrade,
    ClassGrades,
    LabGrade,
    Past,
    Proof,
    Store,
    by_receipt,
    decided,
    exact,
    not_theirs,
    of_checks,
    of_class,
)
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.verdict import Status

Receipts = Literal["compter", "revoir", "ignorer"]

_OPEN_THEN = " Le reste n’a pas pu être vérifié alors."
_PAST_WORDS = {
    Status.FAILED: "N’était pas juste alors.",
    Status.SKIPPED: "Dépendait alors d’une autre phrase.",
    Status.UNVERIFIED: "N’a pas pu être vérifié alors.",
    Status.ERROR: "N’a pas pu être vérifié alors.",
}


@dataclass(frozen=True)
class Policy:
    """What the teacher has chosen. `receipts`: whether what a receipt alone vouches for counts, is
    to be decided, or is left out; `before`: what was proven later does not count."""

    receipts: Receipts = "compter"
    before: datetime | None = None


class Recorder:
    """Writes into the history what grading finds."""

    def __init__(self, history: History) -> None:
        self._history = history

    def seen(self, learner: Learner, lab: Lab, grade: LabGrade, seen: Seen) -> None:
        """What the cluster shows now, when it says what time it is. Raises CahierError."""
        if seen.at is not None:
            self._found(learner.identifier, grade, seen.at)

    def found(self, grades: ClassGrades, at: datetime) -> None:
        """What the cluster showed at a moment of its clock. Raises CahierError."""
        for learner in grades.learners:
            for grade in learner.labs:
                self._found(learner.identifier, grade, at)

    def _found(self, person: str, grade: LabGrade, at: datetime) -> None:
        if grade.checks:
            self._history.record(
                person, grade.lab, found(grade), at=at, seen_by="noter", receipt=grade.receipt
            )

    def kept(self, learners: Sequence[Learner], labs: Sequence[Lab], store: Store) -> None:
        """What receipts say of the past. Raises CahierError."""
        for learner in learners:
            for lab in labs:
                past = store.past(learner, lab)
                if past is not None:
                    self._history.record(
                        learner.identifier,
                        lab.name,
                        _vouched(lab, past),
                        at=past.written,
                        seen_by="noter",
                        receipt=past.written,
                    )


def found(grade: LabGrade) -> Mapping[str, Found]:
    """A grade as the history keeps it."""
    return {
        check.id: Found(
            status=check.status,
            decided=check.decided,
            points=check.points,
            points_max=check.points_max,
            proof=check.proof,
        )
        for check in grade.checks
    }


def _vouched(lab: Lab, past: Past) -> Mapping[str, Found]:
    """What a receipt says. The points are the lab's, never read in it."""
    closed = decided(lab, past.checks)
    told = {}
    for check in lab.checks:
        status = past.checks.get(check.id, Status.UNVERIFIED)
        right = status is Status.PASSED
        told[check.id] = Found(
            status=status,
            decided=check.id in closed,
            points=str(exact(check.points)) if right else "0",
            points_max=str(exact(check.points)),
            proof="receipt" if right else "",
        )
    return told


def settle(
    grades: ClassGrades,
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    changes: Mapping[tuple[str, str], Sequence[Change]],
    policy: Policy,
) -> ClassGrades:
    """The marks that the policy gives, out of what is there now and what the history has kept, by
    person and lab."""
    marks = {
        (learner.identifier, lab.name): mark(
            lab, now, changes.get((learner.identifier, lab.name), ()), policy
        )
        if learner.does(lab)
        else not_theirs(lab)
        for learner, theirs in zip(learners, grades.learners, strict=True)
        for lab, now in zip(labs, theirs.labs, strict=True)
    }
    return of_class(learners, labs, marks)


def mark(lab: Lab, now: LabGrade, changes: Sequence[Change], policy: Policy) -> LabGrade:
    """One lab of one person: the best of what is there now and of what was."""
    before = policy.before
    counting = policy.receipts != "ignorer"
    # what was seen in time is still there, or was not seen yet and may be of any time
    in_time = before is None or any(
        change.at <= before and change.checks == found(now) for change in changes
    )
    if not counting:
        now = _without_receipts(now, "les reçus ne comptent pas (--recus ignorer)")
    best = best_of(changes, before=before, receipts=counting)
    if in_time and (best is None or not _is_more(best, now, counting)):
        chosen = _told(now)
    elif best is not None and (_worth(best.change, counting) or now.checks):
        chosen = _then(lab, now, best, late=not in_time)
    else:
        chosen = _too_late(now, before)
    if counting:
        chosen = _closed(chosen, changes)
    if policy.receipts != "compter":
        chosen = _without_receipts(chosen, "seul le reçu de la personne le dit")
    return chosen


def _worth(change: Change, counting: bool) -> Fraction:
    return change.points if counting else change.points_seen


def _is_more(best: Best, now: LabGrade, counting: bool) -> bool:
    return _worth(best.change, counting) > Fraction(now.points)


def _told(now: LabGrade) -> LabGrade:
    """What is there now, with what a receipt alone vouches for."""
    alone = by_receipt(now)
    if now.state != "graded" or not alone or now.receipt is None:
        return now
    return msgspec.structs.replace(
        now,
        reason=f"{_points(alone)} d’après le seul reçu de la personne, laissé le "
        f"{moment(now.receipt)}.",
    )


def _closed(grade: LabGrade, changes: Sequence[Change]) -> LabGrade:
    """The same, where what nobody else could verify was not right either when the person last
    told it from wrong."""
    if grade.state != "review" or not grade.checks:
        return grade
    told: dict[str, Change] = {}
    for change in changes:
        if change.at == change.receipt:  # the person's own verification
            told |= {name: change for name, one in change.checks.items() if one.decided}
    wrong = {
        check.id: told[check.id]
        for check in grade.checks
        if check.id in told
        and not check.decided
        and told[check.id].checks[check.id].status is not Status.PASSED
    }
    if not wrong:
        return grade
    checks = [
        msgspec.structs.replace(check, decided=check.decided or check.id in wrong)
        for check in grade.checks
    ]
    closed = of_checks(
        grade.lab,
        checks,
        reason=grade.reason,
        receipt=grade.receipt,
        proven=grade.proven,
        removed=grade.removed,
    )
    if closed.state == "review":
        return closed
    then = grade.reason.replace(_OPEN_THEN, "") if grade.proven else ""
    last = max(change.at for change in wrong.values())
    reason = f"{then} Le reste n’était pas juste quand la personne l’a vérifié, le {moment(last)}."
    return msgspec.structs.replace(closed, reason=reason.strip())


def _then(lab: Lab, now: LabGrade, best: Best, *, late: bool) -> LabGrade:
    """What was proven at one moment of the past."""
    change = best.change
    checks = _checks(lab, now, change)
    if not now.checks:  # the rest may have been done since
        checks = [
            msgspec.structs.replace(check, decided=check.status is Status.PASSED)
            for check in checks
        ]
    points = sum((Fraction(check.points) for check in checks), Fraction())
    removed = bool(now.checks) and Fraction(now.points) < points
    then = moment(best.since)
    if not points:
        reason = f"Rien n’était juste le {then}."
    elif removed:
        reason = f"Fait le {then}, retiré depuis."
    elif now.checks:
        reason = f"Fait le {then}."
    else:
        reason = f"Fait le {then} ; depuis, on n’a pas pu regarder : {now.reason}"
    if late and Fraction(now.points) > points:
        reason += " Ce qui a été fait après la date limite n’est pas compté."
    grade = of_checks(lab.name, checks, receipt=change.receipt, proven=best.since, removed=removed)
    alone = by_receipt(grade)
    if grade.state == "review":
        reason += _OPEN_THEN
    if alone:
        reason += f" {_points(alone)} d’après le seul reçu de la personne."
    return msgspec.structs.replace(grade, reason=reason)


def _too_late(now: LabGrade, before: datetime | None) -> LabGrade:
    """What nobody had looked at in time, and no receipt tells of."""
    if now.state != "graded" or not Fraction(now.points) or before is None:
        return now
    return of_checks(
        now.lab,
        [_opened(check, "") if check.status is Status.PASSED else check for check in now.checks],
        reason=f"Vu seulement après le {moment(before)} ; rien ne dit quand cela a été fait.",
    )


def _checks(lab: Lab, now: LabGrade, change: Change) -> Sequence[CheckGrade]:
    """The lab's checks as they were then; one that did not exist is open."""
    today = {check.id: check for check in now.checks}
    told = []
    for check in lab.checks:
        then = change.checks.get(check.id)
        status = then.status if then else Status.UNVERIFIED
        same = today.get(check.id)
        right = status is Status.PASSED
        proof: Proof = then.proof if then else ""
        if right:
            finding, cause, fix = _PROOF_WORDS[proof].format(moment(change.at)), "", ""
        elif same is not None and same.status is status:
            finding, cause, fix = same.finding, same.cause, same.fix
        else:
            finding, cause, fix = _PAST_WORDS[status], "", ""
        points = str(exact(check.points))
        earned = then is not None and bool(Fraction(then.points))
        told.append(
            CheckGrade(
                id=check.id,
                title=same.title if same else lab.with_port(check.title, 0),
                status=status,
                decided=then is not None and then.decided,
                points=points if earned else "0",
                points_max=points,
                finding=finding,
                cause=cause,
                fix=fix,
                proof=proof,
            )
        )
    return told


_PROOF_WORDS = {
    "seen": "Vu le {}.",
    "receipt": "D’après le reçu laissé par « cahier verifier » le {}.",
    "": "",
}


def _without_receipts(grade: LabGrade, why: str) -> LabGrade:
    """The same, where what a receipt alone vouches for is open."""
    alone = by_receipt(grade)
    if not alone:
        return grade
    return of_checks(
        grade.lab,
        [
            _opened(check, f" ({why})") if check.proof == "receipt" else check
            for check in grade.checks
        ],
        reason=f"{_points(alone)} à décider : {why}."
        + (f" {grade.reason}" if grade.reason else ""),
        receipt=grade.receipt,
        proven=grade.proven,
        removed=grade.removed,
    )


def _opened(check: CheckGrade, why: str) -> CheckGrade:
    return msgspec.structs.replace(
        check,
        status=Status.UNVERIFIED,
        decided=False,
        points="0",
        finding=f"{check.finding.rstrip('.')}{why}." if check.finding else "À décider.",
        proof="",
    )


def _points(points: Fraction) -> str:
    return plural(int(points), "point") if points.denominator == 1 else f"{short(points)} points"
