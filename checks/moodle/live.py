"""Marks that leave as they are proven, while a class is watched: who is judged does not wait for a
platform."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Self

from checks.errors import CahierError
from checks.grading.results import LabGrade
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.moodle.sending import Mark, Sender
from checks.moodle.troubles import Passing

_WORKERS = 4  # a whole class may turn green at once
_LEAVES = 10.0  # seconds for what is left to go, once the class is over
_FIRST, _MOST = 0.5, 30.0  # seconds before one asks again, at first and at most


class Live:
    """Sends what the board sees. What does not go is tried again until the context ends, and is
    found again by the next one: the history has it."""

    def __init__(
        self,
        sender: Sender,
        labs: Sequence[Lab],
        there: Callable[[datetime], datetime],
        tell: Callable[[CahierError | None], None],
        before: Iterable[Mark] = (),
    ) -> None:
        """`there`: what a moment of this machine's is for the cluster. `before`: the best that was
        known already. `tell` hears each trouble once, and None when the platform answers again."""
        self._sender, self._there, self._tell = sender, there, tell
        self._labs: Mapping[str, Lab] = {lab.name: lab for lab in labs}
        self._turn = threading.Condition()
        self._best: dict[tuple[str, str], Fraction] = {}
        self._waiting: OrderedDict[tuple[str, str], Mark] = OrderedDict()
        self._busy: set[tuple[str, str]] = set()
        self._told: set[str] = set()
        self._again, self._rest = 0.0, _FIRST
        self._over: float | None = None
        self._workers = [
            threading.Thread(target=self._work, daemon=True, name="carnet de notes")
            for _ in range(_WORKERS)
        ]
        for mark in before:
            self._take(mark, first=False)

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._over = time.monotonic() + _LEAVES
            self._again = 0.0
            self._turn.notify_all()
        for worker in self._workers:
            worker.join(max(0.0, self._over - time.monotonic()))

    @property
    def left(self) -> int:
        """How many marks have not gone."""
        with self._turn:
            return len(self._waiting.keys() | self._busy)

    def __call__(self, learner: Learner, grades: Sequence[LabGrade], at: datetime) -> None:
        """Send what somebody had reached at a moment of this machine's, where it is more than ever
        before."""
        for grade in grades:
            points, lab = Fraction(grade.points), self._labs.get(grade.lab)
            if lab is not None and points and learner.does(lab):
                known = self._best.get((learner.identifier, grade.lab), Fraction())
                if points > known:
                    self._take(Mark(learner, lab, points, self._there(at)), first=True)

    def _take(self, mark: Mark, *, first: bool) -> None:
        """Have a mark sent. What has just been proven goes before what was known."""
        place = mark.learner.identifier, mark.lab.name
        if not self._sender.knows(mark.learner):
            return
        with self._turn:
            if mark.points <= self._best.get(place, Fraction()):
                return
            self._best[place] = mark.points
            self._waiting[place] = mark
            self._waiting.move_to_end(place, last=not first)
            self._turn.notify_all()

    def _work(self) -> None:
        while (mark := self._next()) is not None:
            place = mark.learner.identifier, mark.lab.name
            try:
                self._sender.once(mark)
            except Passing as trouble:
                self._passes(mark, trouble)
            except CahierError as trouble:
                self._say(trouble)
            else:
                self._went()
            with self._turn:
                self._busy.discard(place)
                self._turn.notify_all()

    def _next(self) -> Mark | None:
        """The next mark to send, waited for; None once it is over."""
        with self._turn:
            while True:
                now = time.monotonic()
                free = (place for place in self._waiting if place not in self._busy)
                place = next(free, None) if now >= self._again else None
                if place is not None and (self._over is None or now < self._over):
                    self._busy.add(place)
                    return self._waiting.pop(place)
                if self._over is not None and (not self._waiting or now >= self._over):
                    return None
                self._turn.wait(max(0.02, min(1.0, self._again - now)))

    def _passes(self, mark: Mark, trouble: Passing) -> None:
        """The platform is asked again later, all of it; a better mark that came meanwhile stays."""
        with self._turn:
            self._waiting.setdefault((mark.learner.identifier, mark.lab.name), mark)
            self._again = time.monotonic() + self._rest
            self._rest = min(_MOST, self._rest * 2)
            insists = self._rest > _FIRST * 4
        if insists:  # a hiccup is nobody's trouble
            self._say(trouble)

    def _went(self) -> None:
        with self._turn:
            self._rest, self._again = _FIRST, 0.0
            recovered, self._told = bool(self._told), set()
        if recovered:
            self._tell(None)

    def _say(self, trouble: CahierError) -> None:
        with self._turn:
            new = trouble.message not in self._told
            self._told.add(trouble.message)
        if new:
            self._tell(trouble)
