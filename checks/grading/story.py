"""What the report tells of time: each sentence that became right, when, and what came after the
limit. All of it by the cluster's clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from checks.grading.history import Change, best_of
from checks.grading.results import ClassGrades, LabGrade
from checks.verdict import Status

_APART = timedelta(minutes=5)  # between the clocks of a cluster's machines


@dataclass(frozen=True)
class Story:
    """What is known of time beside the marks. `before`: the limit that the teacher has chosen."""

    changes: Mapping[tuple[str, str], Sequence[Change]] = field(default_factory=dict)
    before: datetime | None = None


@dataclass(frozen=True)
class Gain:
    """Sentences of one lab of a person that became right. `finished`: the whole lab was then."""

    at: datetime
    sentences: int
    finished: bool


@dataclass(frozen=True)
class Progress:
    """The gains of a class. `already`: sentences that were right when somebody first looked, which
    says nothing of when; `ahead`: those of receipts dated after the last look."""

    gains: Sequence[Gain]
    already: int = 0
    ahead: int = 0

    @property
    def last(self) -> datetime | None:
        """When a sentence last became right."""
        return max((one.at for one in self.gains), default=None)


@dataclass(frozen=True)
class Late:
    """A lab of which more was proven after the limit than before. `dated`: a receipt says when, or
    somebody had looked in time; else only that nobody had."""

    person: str
    lab: str
    by: timedelta
    dated: bool
    in_time: Fraction
    later: Fraction
    points_max: Fraction


def progress(grades: ClassGrades, story: Story) -> Progress:
    """When sentences became right: out of the history, else of the receipts that count."""
    found: list[Gain] = []
    already = 0
    for person, lab in _labs(grades):
        gains, before = _of_lab(lab, story.changes.get((person, lab.lab), ()))
        found += gains
        already += before
    looks = [one.last_seen for them in story.changes.values() for one in them if not _vouches(one)]
    last = max(looks, default=None)
    late = [one for one in found if last is not None and one.at > last + _APART]
    return Progress(
        sorted((one for one in found if one not in late), key=lambda one: one.at),
        already,
        sum(one.sentences for one in late),
    )


def late(grades: ClassGrades, story: Story) -> Sequence[Late]:
    """What came after the limit, by person."""
    limit = story.before
    if limit is None:
        return []
    found = []
    names = {learner.identifier: learner.name for learner in grades.learners}
    for person, lab in _labs(grades):
        changes = story.changes.get((person, lab.lab), ())
        best = best_of(changes, before=limit)
        in_time = best.change.points if best else Fraction()
        after = [one for one in changes if one.at > limit and one.points > in_time]
        if after:
            first = min(after, key=lambda one: one.at)
            found.append(
                Late(
                    names[person],
                    lab.lab,
                    first.at - limit,
                    _vouches(first) or any(one.at <= limit for one in changes),
                    in_time,
                    max(one.points for one in after),
                    Fraction(lab.points_max),
                )
            )
    return found


def _labs(grades: ClassGrades) -> Iterator[tuple[str, LabGrade]]:
    for learner in grades.learners:
        for lab in learner.labs:
            if Fraction(lab.points_max):  # the other one's to do
                yield learner.identifier, lab


def _of_lab(lab: LabGrade, changes: Sequence[Change]) -> tuple[Sequence[Gain], int]:
    """The gains of a lab, and how many sentences were right at the first look."""
    if not changes:
        right = {check.id for check in lab.checks if check.status is Status.PASSED}
        when = lab.proven or lab.receipt
        if when is None or not right:
            return [], 0
        return [Gain(when, len(right), len(right) == len(lab.checks))], 0
    gains: list[Gain] = []
    known: set[str] = set()
    already = 0
    done = looked = False
    for change in changes:
        right = {name for name, one in change.checks.items() if one.status is Status.PASSED}
        whole = len(right) == len(change.checks)
        new = right - known
        if not looked and not _vouches(change):
            already, looked = len(new), True
        elif new or (whole and not done):
            gains.append(Gain(change.at, len(new), whole and not done))
        known |= right
        done = done or whole
    return gains, already


def _vouches(change: Change) -> bool:
    """Whether a receipt tells it, of the very moment when it was written."""
    return change.at == change.receipt
