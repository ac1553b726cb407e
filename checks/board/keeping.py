"""What the board writes into the teacher's history, as it happens."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

from checks.errors import CahierError
from checks.grading.history import Found, History
from checks.grading.proven import found
from checks.grading.results import LabGrade
from checks.grading.roster import Learner

_AGAIN = 600.0  # seconds after which what has not changed is said to be so still
_A_MOMENT = timedelta(minutes=30)  # a board that was closed for longer is of another session


def since(
    history: History,
    here: Callable[[datetime], datetime],
    learner: Learner,
    grade: LabGrade,
    check: str,
) -> float | None:
    """Since when a check was seen as it is now, in seconds since 1970 of this machine; None where
    nobody was looking a moment ago."""
    try:
        changes = history.changes(learner.identifier, grade.lab)
    except CahierError:  # the keeper tells it
        return None
    if not changes or datetime.now(UTC) - here(changes[-1].last_seen) > _A_MOMENT:
        return None
    status = next(one.status for one in grade.checks if one.id == check)
    found = None
    for change in reversed(changes):
        one = change.checks.get(check)
        if one is None or one.status is not status:
            break
        found = here(change.at).timestamp()
    return found


class Keeper:
    """Writes grades into a history, in a thread of its own: who is judged does not wait for a
    disk. All that it was given is written once its context ends."""

    def __init__(
        self, history: History, there: Callable[[datetime], datetime], tell: Callable[[str], None]
    ) -> None:
        """`there`: what a moment of this machine's is for the cluster. `tell` hears, once, that
        nothing can be written any more, and why."""
        self._history, self._there, self._tell = history, there, tell
        self._given: queue.SimpleQueue[tuple[str, Sequence[LabGrade], datetime] | None] = (
            queue.SimpleQueue()
        )
        self._last: dict[tuple[str, str], tuple[float, Mapping[str, Found]]] = {}
        self._thread = threading.Thread(target=self._write, daemon=True, name="historique")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given.put(None)
        self._thread.join()

    def __call__(self, learner: Learner, grades: Sequence[LabGrade], at: datetime) -> None:
        """Keep what somebody had reached at a moment of this machine's."""
        self._given.put((learner.identifier, grades, at))

    def _write(self) -> None:
        while (given := self._given.get()) is not None:
            try:
                self._keep(*given)
            except CahierError as trouble:
                self._tell(trouble.message)
                return

    def _keep(self, person: str, grades: Sequence[LabGrade], at: datetime) -> None:
        for grade in grades:
            checks, now = found(grade), time.monotonic()
            before = self._last.get((person, grade.lab))
            if not checks or (before and before[1] == checks and now - before[0] < _AGAIN):
                continue
            self._history.record(
                person,
                grade.lab,
                checks,
                at=self._there(at),
                seen_by="suivi",
                receipt=grade.receipt,
            )
            self._last[person, grade.lab] = now, checks
