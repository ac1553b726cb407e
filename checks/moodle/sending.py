"""What was proven, into the grade book: exact, once, and never a lower mark over a higher one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Literal

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from checks import interruption
from checks.errors import CahierError
from checks.grading.history import History
from checks.grading.results import ClassGrades, exact
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.moodle.platform import Column, Platform
from checks.moodle.sent import Said, Sent
from checks.moodle.troubles import Passing, Stale, TokenOver, TokenRefused, Trouble

_ALIKE = Fraction(1, 10**5)  # a grade book keeps five decimals
_INSISTS = 20.0  # seconds
_SECOND = timedelta(seconds=1)

Outcome = Literal["sent", "there", "higher"]
"""Sent now; there already; left, since the grade book shows more."""


@dataclass(frozen=True)
class Mark:
    """What somebody has reached in a lab, and when."""

    learner: Learner
    lab: Lab
    points: Fraction
    at: datetime

    @property
    def maximum(self) -> Fraction:
        """The points of the lab."""
        return sum((exact(check.points) for check in self.lab.checks), Fraction())

    @property
    def part(self) -> Fraction:
        """The part of the maximum."""
        return self.points / self.maximum


class Sender:
    """Says marks to a platform; to be used from any thread."""

    def __init__(
        self, platform: Platform, sent: Sent, users: Mapping[str, str], *, replace: bool = False
    ) -> None:
        """`users`: the platform's of each learner. `replace`: a lower mark replaces a higher
        one."""
        self._platform, self._sent, self._users = platform, sent, users
        self._replace = replace

    def knows(self, learner: Learner) -> bool:
        """Whether the platform has somebody for them."""
        return learner.identifier in self._users

    def patiently(self, mark: Mark) -> Outcome:
        """The same as `once`, tried again for a while where that may do. Raises Trouble,
        CahierError."""
        trying = Retrying(
            retry=retry_if_exception_type(Passing),
            wait=wait_exponential(multiplier=0.3, max=5.0) + wait_random(0, 0.2),
            stop=stop_after_delay(_INSISTS),
            sleep=interruption.pause,
            reraise=True,
        )
        return trying(self.once, mark)

    def once(self, mark: Mark) -> Outcome:
        """Have a mark in the grade book. Asked again after whatever has happened, it comes to the
        same. Raises Trouble, CahierError."""
        person, lab = mark.learner.identifier, mark.lab.name
        last = self._sent.last(person, lab)
        if last is not None and last.taken and not self._replace and last.part >= mark.part:
            return "there"
        try:
            return self._say(mark, last)
        except Trouble:
            self._platform.forget(lab)
            raise

    def _say(self, mark: Mark, last: Said | None) -> Outcome:
        column = self._platform.column(mark.lab.name, _label(mark.lab), mark.maximum)
        user = self._users[mark.learner.identifier]
        shown = self._platform.result(column, user)
        if (outcome := self._settled(mark, shown, last)) is not None:
            return outcome
        said = self._noted(mark, last, mark.at)
        try:
            self._platform.post(column, user, said.points, said.maximum, said.at)
        except Stale:
            said = self._insisted(mark, column, user, said, last)
        self._note(mark, said, taken=True)
        return "sent"

    def _settled(self, mark: Mark, shown: Fraction | None, last: Said | None) -> Outcome | None:
        """What there is to say where nothing is to be sent."""
        if shown is None:
            zero = last is not None and last.taken and not last.points and not mark.points
            return "there" if zero else None
        if abs(shown - mark.part) <= _ALIKE:
            at = last.at if last is not None else mark.at
            self._note(mark, Said(mark.points, mark.maximum, at, False), taken=True)
            return "there"
        return "higher" if shown > mark.part and not self._replace else None

    def _noted(self, mark: Mark, last: Said | None, at: datetime) -> Said:
        """The score about to be said, with its moment: after that of the one before it, in whole
        seconds, or it would be refused; the same, where it was about to be said already."""
        if last is not None and not last.taken and last.part == mark.part:
            return last
        at = datetime.now(UTC) if self._replace else at
        at = at.replace(microsecond=0)
        if last is not None:
            at = max(at, last.at + _SECOND)
        return self._note(mark, Said(mark.points, mark.maximum, at, False), taken=False)

    def _insisted(
        self, mark: Mark, column: Column, user: str, said: Said, last: Said | None
    ) -> Said:
        """What a platform has refused as too old: it has it, after all; or what it has is ours, and
        it keeps another clock than the proof's. Anything else is somebody's decision. Raises
        Trouble."""
        shown = self._platform.result(column, user)
        if shown is not None and abs(shown - mark.part) <= _ALIKE:
            return said
        ours = last is not None and abs((shown or Fraction()) - last.part) <= _ALIKE
        if not ours and not self._replace:
            raise Stale(
                f"{mark.learner.name}, {mark.lab.short_name.upper()} : la plateforme n’a pas pris "
                "cette note. Elle en a une plus récente, ou cette personne n’y est pas notée.",
                "Regardez son carnet de notes ; pour que la note du cahier l’emporte : cahier "
                "classe envoyer --remplacer",
            )
        now = max(datetime.now(UTC).replace(microsecond=0), said.at) + _SECOND
        again = self._note(mark, Said(mark.points, mark.maximum, now, False), taken=False)
        self._platform.post(column, user, again.points, again.maximum, again.at)
        return again

    def _note(self, mark: Mark, said: Said, *, taken: bool) -> Said:
        kept = Said(said.points, said.maximum, said.at, taken)
        self._sent.note(mark.learner.identifier, mark.lab.name, kept)
        return kept


def _label(lab: Lab) -> str:
    return f"{lab.short_name.upper()} : {lab.about.title}"


def of_history(history: History, learners: Sequence[Learner], labs: Sequence[Lab]) -> list[Mark]:
    """The best that each person has proven of each lab; nothing proven is no mark. Raises
    CahierError."""
    marks = []
    for learner in learners:
        for lab in labs:
            best = history.best(learner.identifier, lab.name) if learner.does(lab) else None
            if best is not None and best.change.points:
                marks.append(Mark(learner, lab, best.change.points, best.since))
    return marks


def of_grades(
    grades: ClassGrades, learners: Sequence[Learner], labs: Sequence[Lab], at: datetime
) -> list[Mark]:
    """The marks that are settled. What nothing could judge is no zero: it is left out."""
    return [
        Mark(learner, lab, Fraction(grade.points), grade.proven or at)
        for learner, theirs in zip(learners, grades.learners, strict=True)
        for lab, grade in zip(labs, theirs.labs, strict=True)
        if grade.state == "graded" and learner.does(lab)
    ]


@dataclass
class Account:
    """What came of sending: those that went, those that were there, those that the grade book shows
    higher, and what kept the others."""

    sent: int = 0
    there: int = 0
    higher: list[Mark] = field(default_factory=list)
    kept: list[tuple[Mark, CahierError]] = field(default_factory=list)


def send(
    sender: Sender, marks: Sequence[Mark], done: Callable[[Mark], None] = lambda mark: None
) -> Account:
    """Say them all, each for itself; where the platform does not answer at all, no longer. Raises
    CahierError where nothing can be noted."""
    account = Account()
    for place, mark in enumerate(marks):
        if not sender.knows(mark.learner):
            continue
        try:
            outcome = sender.patiently(mark)
        except (Passing, TokenRefused, TokenOver) as trouble:
            left = [one for one in marks[place:] if sender.knows(one.learner)]
            account.kept += [(one, trouble) for one in left]
            break
        except Trouble as trouble:
            account.kept.append((mark, trouble))
        else:
            account.sent += outcome == "sent"
            account.there += outcome == "there"
            if outcome == "higher":
                account.higher.append(mark)
        done(mark)
    return account
