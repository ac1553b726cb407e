"""The way from the learner to the server, hop by hop: it says what the sentences say, and no
more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.lab import Hop
from checks.verdict import Status

_WORST = (Status.FAILED, Status.ERROR, Status.UNVERIFIED, Status.SKIPPED)
_BROKEN = "le chemin s’arrête ici"
_TOO_OPEN = "trop ouvert"
_FRAGILE = "ne tiendra pas"


@dataclass(frozen=True)
class Step:
    """One line of the drawing: a station, or the way to it. `note` says what a red means there."""

    words: str
    status: Status
    note: str
    is_station: bool
    cut: bool
    """Whether the path had ended before."""

    @property
    def symbol(self) -> str:
        """The one character before its words: a station is reached or not, unless more is known of
        it."""
        if not self.is_station:
            return self.status.symbol
        return {Status.PASSED: "●", Status.SKIPPED: "○"}.get(self.status, self.status.symbol)


def steps(path: Sequence[Hop], statuses: Mapping[str, Status]) -> Sequence[Step]:
    """The stations and the ways between them; `statuses` are those of the checks, in the order of
    their sentences.

    The first sentence that fails is the first red: what the path meets before is left open until it
    is put right.
    """
    drawing = _Drawing(statuses)
    return [step for hop in path for step in drawing.hop(hop)]


class _Drawing:
    def __init__(self, statuses: Mapping[str, Status]) -> None:
        self._statuses = statuses
        self._first = next(
            (name for name, status in statuses.items() if status is Status.FAILED), ""
        )
        self._told = not self._first
        self._broken = self._unsure = False

    def hop(self, hop: Hop) -> Iterator[Step]:
        """The way to a station, where there is one, and the station: without one, another way
        begins, which does not stop with the first."""
        if not hop.link:
            self._broken = self._unsure = False
        else:
            cut = self._broken
            status, note = self._look(hop.checks, {_TOO_OPEN: hop.closed})
            if status is Status.PASSED and self._status(hop.seen_by) is not Status.PASSED:
                status, self._unsure = Status.SKIPPED, True  # only read: nothing came through
            yield Step(hop.link, status, note, False, cut)
        cut = self._broken
        status, note = self._look(hop.stands, {_FRAGILE: hop.lasting})
        if status is Status.PASSED and self._unsure:
            status = Status.SKIPPED
        yield Step(hop.place, status, note, True, cut)

    def _look(self, way: Sequence[str], guards: Mapping[str, Sequence[str]]) -> tuple[Status, str]:
        """Status of what is drawn on one line, and what a red there means. Only `way` stops who
        goes along it."""
        around = [name for names in guards.values() for name in names]
        self._told = self._told or self._first in (*way, *around)
        passes, guarded = self._status(way), self._status(around)
        if not self._told:
            passes, guarded = (
                Status.SKIPPED if one is Status.FAILED else one for one in (passes, guarded)
            )
        note = ""
        if passes is Status.FAILED:
            note = "" if self._broken else _BROKEN
            self._broken = True
        elif guarded is Status.FAILED:
            note = next(
                note for note, names in guards.items() if self._status(names) is Status.FAILED
            )
        self._unsure = self._unsure or passes is not Status.PASSED
        return passes if guarded is Status.SKIPPED else _worst([passes, guarded]), note

    def _status(self, names: Sequence[str]) -> Status:
        return _worst([self._statuses[name] for name in names])


def _worst(statuses: Sequence[Status]) -> Status:
    return next((status for status in _WORST if status in statuses), Status.PASSED)
