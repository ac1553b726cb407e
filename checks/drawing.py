"""The way from the learner to the server, drawn hop by hop: it says what the sentences say, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from checks.lab import Hop
from checks.verdict import Status, Verdict

STYLES: Mapping[Status, str] = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
    Status.UNVERIFIED: "yellow",
    Status.ERROR: "magenta",
}
_WORST = (Status.FAILED, Status.ERROR, Status.UNVERIFIED, Status.SKIPPED)
_BROKEN = "   ← le chemin s’arrête ici"
_TOO_OPEN = "   ← trop ouvert"
_FRAGILE = "   ← ne tiendra pas"


def path_lines(path: Sequence[Hop], verdict: Verdict) -> list[Text]:
    """The stations and the ways between them.

    The first sentence that fails is the first red: what the path meets before is left open until it is put right.
    """
    drawing = _Drawing(verdict, next((one.id for one in verdict.checks if one.status is Status.FAILED), ""))
    return [line for hop in path for line in drawing.hop(hop)]


class _Drawing:
    def __init__(self, verdict: Verdict, first: str) -> None:
        self._verdict, self._first = verdict, first
        self._told = not first
        self._broken = self._unsure = False

    def hop(self, hop: Hop) -> Iterator[Text]:
        """The way to a station, where there is one, and the station."""
        if hop.link:
            shade = "dim" if self._broken else ""
            status, note = self._look(hop.checks, {_TOO_OPEN: hop.closed})
            if status is Status.PASSED and self._worst(hop.seen_by) is not Status.PASSED:
                status, self._unsure = Status.SKIPPED, True  # only read: nothing came through
            yield Text.assemble(("│ ", "dim"), _mark(status), " ", (hop.link, shade), (note, STYLES[Status.FAILED]))
        status, note = self._look(hop.stands, {_FRAGILE: hop.lasting})
        dot = ("○", "dim") if self._unsure else ("●", "green")
        found = status not in (Status.PASSED, Status.SKIPPED)
        yield Text.assemble(_mark(status) if found else dot, " ", hop.place, (note, STYLES[Status.FAILED]))

    def _look(self, way: Sequence[str], guards: Mapping[str, Sequence[str]]) -> tuple[Status, str]:
        """Status of what is drawn on one line, and what a red there means. Only `way` stops who goes along it."""
        around = [name for names in guards.values() for name in names]
        self._told = self._told or self._first in (*way, *around)
        passes, guarded = self._worst(way), self._worst(around)
        if not self._told:
            passes, guarded = (Status.SKIPPED if one is Status.FAILED else one for one in (passes, guarded))
        note = ""
        if passes is Status.FAILED:
            note = "" if self._broken else _BROKEN
            self._broken = True
        elif guarded is Status.FAILED:
            note = next(note for note, names in guards.items() if self._worst(names) is Status.FAILED)
        self._unsure = self._unsure or passes is not Status.PASSED
        return passes if guarded is Status.SKIPPED else _worst([passes, guarded]), note

    def _worst(self, names: Sequence[str]) -> Status:
        return _worst([self._verdict.check(name).status for name in names])


def _worst(statuses: Sequence[Status]) -> Status:
    return next((status for status in _WORST if status in statuses), Status.PASSED)


def _mark(status: Status) -> tuple[str, str]:
    return status.symbol, STYLES[status]
