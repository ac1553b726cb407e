"""A class that is watched: whoever has moved is judged again, soon and alone, and what came of it
is told to whoever looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from checks.access.kubernetes_api import Api
from checks.board import standing
from checks.board.pace import Memory, Pace
from checks.board.rights import ClassRights
from checks.board.standing import Progress, Row, Sentence, Standing
from checks.board.view import Look, Shared, look
from checks.grading.results import LabGrade
from checks.grading.roster import Learner, several
from checks.lab import Lab
from checks.sources.class_objects import ClassObjects

_WORKERS = 3
_GATHER = 0.2  # seconds in which several changes of a namespace count as one
_SHARE = 4  # times what a judgement takes, before the next one of the same person
_SETTLES = 5.0  # seconds before one looks again at what changes by itself
_ROUND = 180.0  # seconds before one looks again at who has not moved: logs, rights of the cluster
_EACH = 0.6  # seconds of that round for each person, at least
_LEAVES = 1.0  # seconds for a judgement to end with the board
_TELL = 0.15  # seconds in which several judgements are told at once

OnGrades = Callable[[Learner, Sequence[LabGrade], datetime], None]
"""Told of what somebody had reached at a moment of this machine's, each time that it was looked at
while nothing of them was out of sight."""


Known = Callable[[Learner, LabGrade, str], float | None]
"""Since when, in seconds since 1970, a check of a lab was last known to be as it is; None where
nobody was looking a moment ago."""


@dataclass
class _Person:
    """What is known of somebody. `due`: when they are to be judged; who has moved goes first."""

    learner: Learner
    row: Row
    due: float
    moved: bool = False
    by_themselves: bool = False
    """Whether something has changed in their own namespace since they were judged."""
    busy: bool = False
    place: int | None = None
    grades: Sequence[LabGrade] = ()
    took: float = 0.0
    ended: float = 0.0
    version: int = 0


@dataclass(frozen=True)
class News:
    """What has changed since a version of the board."""

    version: int
    rows: Sequence[Row]
    sentences: Sequence[Sentence]
    progress: Sequence[Progress]
    judged: int
    lost: str
    lost_since: float
    now: float = field(default_factory=time.time)


class Board:
    """The board of a class, kept up to date while its context lasts."""

    def __init__(
        self,
        api: Api,
        pace: Pace,
        learners: Sequence[Learner],
        labs: Sequence[Lab],
        on_grades: OnGrades = lambda learner, grades, at: None,
        known: Known = lambda learner, grade, check: None,
    ) -> None:
        self.labs = labs
        self._on_grades, self._known = on_grades, known
        self._turn = threading.Condition()
        self._stop = threading.Event()
        self._version = 1
        self._heard = 0.0
        now = time.monotonic()
        self._people = {
            one.identifier: _Person(one, _unknown(one), due=now, version=1) for one in learners
        }
        self._concerned: dict[str, list[_Person]] = {}
        for person in self._people.values():
            own = person.learner
            for namespace in {own.namespace, *several(own.colleague)}:
                self._concerned.setdefault(namespace, []).append(person)
        objects = ClassObjects(api, self._concerned, self._changed, self._troubled)
        self._shared = Shared(api, objects, ClassRights(api, pace, self._changed), Memory())
        self._open = ExitStack()
        self._workers = [
            threading.Thread(target=self._work, daemon=True, name="tableau")
            for _ in range(_WORKERS)
        ]
        self._round = max(_ROUND, _EACH * len(self._people))

    def __enter__(self) -> Self:
        """Raises CahierError where nothing can be watched."""
        for lab in self.labs:
            # imported here once: an import that two threads begin together is seen half-made
            _ = lab.checks
        self._open.enter_context(self._shared.objects)
        for worker in self._workers:
            worker.start()
        threading.Thread(
            target=self._shared.rights.ask, args=(self._stop,), daemon=True, name="droits"
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._turn:
            self._turn.notify_all()
        self._open.close()
        for worker in self._workers:
            worker.join(_LEAVES)

    # -- what is told ------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether the board is being closed."""
        return self._stop.is_set()

    @property
    def asking(self) -> bool:
        """Whether something is still to be asked, or somebody to be judged again for it."""
        with self._turn:
            moved = any(one.moved or one.busy for one in self._people.values())
        return moved or self._shared.rights.asking

    def wait(self, version: int, seconds: float) -> bool:
        """Wait until there is news after a version, a moment more for what comes with it, or so
        many seconds at most; whether there is."""
        with self._turn:
            found = self._turn.wait_for(lambda: self._version > version or self.is_over, seconds)
            if found:
                self._turn.wait_for(lambda: self.is_over, _TELL)
            return found

    def news(self, since: int) -> News:
        """What has changed since a version; 0: everything."""
        with self._turn:
            people = [*self._people.values()]
            rows = [one.row for one in people]
            told = [(one.learner, one.row, one.grades) for one in people]
            version = self._version
            changed = [one.row for one in people if one.version > since]
            judged = sum(bool(one.grades) for one in people)
        lost = self._shared.objects.lost()
        return News(
            version,
            changed,
            standing.sentences(self.labs, told),
            standing.progress(self.labs, rows),
            judged,
            lost.why if lost else "",
            lost.since if lost else 0.0,
        )

    def person(self, identifier: str) -> tuple[Learner, Sequence[LabGrade]] | None:
        """Somebody, and their labs, in the order of the board's; None for nobody."""
        with self._turn:
            found = self._people.get(identifier)
            return None if found is None else (found.learner, found.grades)

    # -- who is judged, and when -------------------------------------------------------------------

    def _changed(self, namespace: str) -> None:
        """Something is different in a namespace: all whom it concerns are judged soon."""
        now = time.monotonic()
        with self._turn:
            for person in self._concerned.get(namespace, ()):
                soon = max(now + _GATHER, person.ended + _SHARE * person.took)
                if not person.moved or person.due > soon:
                    person.due = soon
                person.moved = True
                person.by_themselves |= namespace == person.learner.namespace
            self._turn.notify_all()

    def _troubled(self) -> None:
        with self._turn:
            self._version += 1
            for person in self._people.values():
                lost = self._shared.objects.lost_at(person.learner.namespace)
                why = lost.why if lost else ""
                if why != person.row.lost:
                    person.row = msgspec.structs.replace(person.row, lost=why)
                    person.version = self._version
            self._turn.notify_all()

    def _work(self) -> None:
        while (person := self._next()) is not None:
            began, at = time.thread_time(), datetime.now(UTC)
            hidden = self._is_hidden(person)
            by_themselves, person.by_themselves = person.by_themselves, False
            seen = look(self._shared, person.learner, self.labs)
            self._take(person, seen, began, by_themselves)
            if not hidden and not self._is_hidden(person):
                self._on_grades(person.learner, seen.grades, at)

    def _is_hidden(self, person: _Person) -> bool:
        """Whether what is known of somebody is not what there is now."""
        objects = self._shared.objects
        return bool(objects.lost() or objects.lost_at(person.learner.namespace))

    def _next(self) -> _Person | None:
        """The next one to be judged; None once the board is closed."""
        with self._turn:
            while not self._stop.is_set():
                now = time.monotonic()
                idle = [one for one in self._people.values() if not one.busy]
                due = [one for one in idle if one.due <= now]
                if due and self._shared.objects.listed:
                    person = min(due, key=lambda one: (not one.moved or not one.grades, one.due))
                    person.busy, person.moved = True, False
                    person.due = now + self._round
                    return person
                first = min((one.due for one in idle), default=now + 1)
                self._turn.wait(max(0.02, min(1.0, first - now)))
            return None

    def _take(self, person: _Person, seen: Look, began: float, by_themselves: bool) -> None:
        now = time.monotonic()
        with self._turn:
            person.busy = False
            # what was waited for is nobody's fault: a flood is a matter of processor
            person.took, person.ended = time.thread_time() - began, now
            if seen.settling and not person.moved:
                person.due = now + _SETTLES
            before = person.grades
            if before and by_themselves:
                place = standing.moved(before, seen.grades)
                person.place = person.place if place is None else place
            row = self._row(person, before, seen.grades)
            person.grades = seen.grades
            if row != person.row or not before or _words(before) != _words(seen.grades):
                self._version += 1
                person.row, person.version = row, self._version
            self._turn.notify_all()

    def _row(self, person: _Person, before: Sequence[LabGrade], grades: Sequence[LabGrade]) -> Row:
        if person.place is None:
            person.place = standing.furthest(grades)
        now = standing.standing(self.labs, grades, person.place)
        same = bool(before) and _spot(now) == _spot(person.row.standing)
        since = None
        if now.check and not before:
            by_name = {
                lab.short_name.upper(): one for lab, one in zip(self.labs, grades, strict=True)
            }
            since = self._known(person.learner, by_name[now.lab], now.check)
        return msgspec.structs.replace(
            person.row,
            standing=now,
            since=person.row.since if same else since or time.time(),
            at_least=person.row.at_least if same else not before,
            cells=tuple(standing.cell(grade) for grade in grades),
        )


def _unknown(learner: Learner) -> Row:
    return Row(
        id=learner.identifier,
        name=learner.name,
        namespace=learner.namespace,
        standing=Standing(kind="waiting"),
        since=time.time(),
        at_least=True,
    )


def _spot(place: Standing) -> tuple[str, str, str]:
    return place.kind, place.lab, place.check


def _words(grades: Sequence[LabGrade]) -> Any:
    return [(check.status, check.finding) for grade in grades for check in grade.checks]
