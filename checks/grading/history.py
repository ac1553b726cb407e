"""What a class has proven, and when: a file of the teacher's, which grading and the board write.

One row a person, lab and change. A row is there whole or not at all, whoever is killed, and two
programs may write at once. Times are the cluster's: the API server's clock for what was looked at,
and that of its own record for a receipt (checks/sources/receipts.py).
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import msgspec

from checks.decoding import prepared
from checks.errors import CahierError
from checks.grading.own_file import OwnFile
from checks.grading.results import Points, Proof, total
from checks.places import history_of
from checks.verdict import Status

APPLICATION = 0x4361486E
"""What SQLite keeps in a file's header to tell whose it is."""
SCHEMA = 1
_ELSEWHERE = "Donnez-en un autre avec --historique, ou déplacez celui-ci."

SeenBy = Literal["noter", "suivi"]
"""Who wrote a row: `cahier noter`, or the board of `cahier classe suivre`."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """How one check was found. `decided` is false where neither right nor wrong could be told;
    `proof` tells what a right one rests on."""

    status: Status
    decided: bool
    points: Points
    points_max: Points
    proof: Proof = "seen"


_CHECKS = msgspec.json.Decoder(dict[str, Found])
prepared(dict[str, Found])


@dataclass(frozen=True)
class Change:
    """A row: how a lab of a person was found from `at` on, by the cluster's clock; still so at
    `last_seen`. `receipt`: when the receipt that vouches for some of it was written."""

    person: str
    lab: str
    at: datetime
    last_seen: datetime
    seen_by: SeenBy
    receipt: datetime | None
    checks: Mapping[str, Found]

    @property
    def points(self) -> Fraction:
        """All that was proven, by whatever proof."""
        return total(tuple(one.points for one in self.checks.values()))

    @property
    def points_seen(self) -> Fraction:
        """What no receipt is needed for."""
        return total(tuple(one.points for one in self.checks.values() if one.proof != "receipt"))


@dataclass(frozen=True)
class Best:
    """The best moment of a lab. `since`: when as many points were first reached."""

    change: Change
    since: datetime


def best_of(
    changes: Iterable[Change], *, before: datetime | None = None, receipts: bool = True
) -> Best | None:
    """The change that proves the most, all at one moment: pieces of two moments were never right
    together. Of several, the one that rests the least on receipts, then the first.

    `before`: what came later is left out. `receipts`: whether their points count.
    """
    told = [one for one in changes if before is None or one.at <= before]
    if not told:
        return None

    def worth(change: Change) -> Fraction:
        return change.points if receipts else change.points_seen

    top = max(worth(one) for one in told)
    reached = sorted((one for one in told if worth(one) == top), key=lambda one: one.at)
    return Best(max(reached, key=lambda one: one.points_seen), reached[0].at)


def default_path(roster: Path) -> Path:
    """Where the history of a class is, unless told otherwise: beside its list, whatever folder its
    marks are written to."""
    return history_of(roster)


@dataclass
class _Waiting:
    """A change to be kept. `added`: whether it was one, None until it is kept."""

    change: Change
    added: bool | None = None


class History(OwnFile):
    """An open history; to be used from any thread, and closed (it is a context manager)."""

    application = APPLICATION
    schema = SCHEMA
    table = (
        "CREATE TABLE changes ("
        "id INTEGER PRIMARY KEY, person TEXT NOT NULL, lab TEXT NOT NULL, at TEXT NOT NULL, "
        "last_seen TEXT NOT NULL, "
        f"seen_by TEXT NOT NULL CHECK (seen_by IN {get_args(SeenBy)}), "
        "receipt TEXT NOT NULL, checks TEXT NOT NULL, "
        "UNIQUE (person, lab, at, checks, receipt)) STRICT"
    )

    def __init__(self, path: Path | None) -> None:
        """As any of ours. Raises CahierError."""
        self._waiting: deque[_Waiting] = deque()
        super().__init__(path)

    def record(
        self,
        person: str,
        lab: str,
        checks: Mapping[str, Found],
        *,
        at: datetime,
        seen_by: SeenBy,
        receipt: datetime | None = None,
    ) -> bool:
        """Keep how a lab was found at a moment of the cluster's clock; whether it is a change.

        Found as just before, nothing is added: it was seen so until then. Told twice, it is kept
        once. Once this has returned, no crash takes it back. Raises CahierError.
        """
        own = _Waiting(Change(person, lab, at, at, seen_by, receipt, checks))
        self._waiting.append(own)
        with self._turn:
            if own.added is None:  # else whoever had the turn has kept it with theirs
                self._keep(own)
            return bool(own.added)

    def _keep(self, own: _Waiting) -> None:
        """Keep a change, and those of the threads that wait for their turn: the disk is waited for
        once for all of them. Where that fails, each tries by itself."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        others = [one for one in waiting if one is not own]
        if others:
            with contextlib.suppress(Exception):
                self._keep_together([own, *others])
                return
        self._keep_together([own])

    def _keep_together(self, those: Sequence[_Waiting]) -> None:
        with self._told(), self._transaction():
            kept = [self._record(one.change, one.change.at) for one in those]
        for one, added in zip(those, kept, strict=True):
            one.added = added

    def take(self, changes: Iterable[Change]) -> int:
        """Keep what another history of the same class has kept, all of it or nothing; how many
        changes were not known here. Taken twice, it is kept once. Raises CahierError."""
        new = 0
        with self._turn, self._told(), self._transaction():
            for change in sorted(changes, key=lambda one: one.at):
                new += self._record(change, change.at)
                self._record(change, change.last_seen)
        return new

    def _record(self, change: Change, at: datetime) -> bool:
        """Keep that a lab was found so at a moment, within a transaction; whether it is a
        change."""
        told = msgspec.json.encode(dict(sorted(change.checks.items()))).decode()
        moment, vouched = _text(at), _text(change.receipt) if change.receipt else ""
        before = self._base.execute(
            "SELECT id, checks, receipt FROM changes WHERE person = ? AND lab = ? AND at <= ?"
            " ORDER BY at DESC, id DESC LIMIT 1",
            (change.person, change.lab, moment),
        ).fetchone()
        if before is not None and tuple(before[1:]) == (told, vouched):
            self._base.execute(
                "UPDATE changes SET last_seen = max(last_seen, ?) WHERE id = ?",
                (moment, before[0]),
            )
            return False
        added = self._base.execute(
            "INSERT OR IGNORE INTO changes"
            " (person, lab, at, last_seen, seen_by, receipt, checks)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (change.person, change.lab, moment, moment, change.seen_by, vouched, told),
        )
        return added.rowcount == 1

    def changes(self, person: str, lab: str) -> Sequence[Change]:
        """The rows of one lab of a person, by the cluster's time. Raises CahierError."""
        return self._changes("WHERE person = ? AND lab = ?", (person, lab))

    def best(
        self, person: str, lab: str, *, before: datetime | None = None, receipts: bool = True
    ) -> Best | None:
        """The best that was proven of a lab (see `best_of`), None where nothing was ever looked at.
        Raises CahierError."""
        return best_of(self.changes(person, lab), before=before, receipts=receipts)

    def of_class(self) -> Mapping[tuple[str, str], Sequence[Change]]:
        """All rows by person and lab, each by the cluster's time. Raises CahierError."""
        found: dict[tuple[str, str], list[Change]] = {}
        for change in self._changes("", ()):
            found.setdefault((change.person, change.lab), []).append(change)
        return found

    @property
    def writes(self) -> int:
        """How much was written through this one: the same number, nothing since."""
        return self._base.total_changes

    def _changes(self, where: str, values: Sequence[str]) -> Sequence[Change]:
        with self._turn, self._told():
            rows = self._base.execute(
                "SELECT person, lab, at, last_seen, seen_by, receipt, checks FROM changes "
                f"{where} ORDER BY at, id",
                values,
            ).fetchall()
            return [_change(*row) for row in rows]

    def _prepare(self) -> None:
        super()._prepare()
        self._patiently("PRAGMA journal_mode = WAL")  # where it cannot be, what is kept is safe too

    def _foreign(self) -> CahierError:
        return CahierError(
            f"{self.path} n’est pas un historique du cahier : il a été laissé tel quel.",
            _ELSEWHERE,
        )

    def _newer(self) -> CahierError:
        return CahierError(
            f"L’historique {self.path} vient d’une version plus récente du cahier.",
            f"Mettez le cahier à jour sur ce poste. {_ELSEWHERE}",
        )

    def _unusable(self, why: str) -> CahierError:
        return CahierError(
            f"L’historique {self.path} ne peut être ni lu ni écrit : {why}.",
            f"Libérez de la place, ou rendez-vous ce fichier accessible. {_ELSEWHERE}",
        )


def _change(
    person: str,
    lab: str,
    at: str,
    last_seen: str,
    seen_by: SeenBy,
    receipt: str,
    checks: str,
) -> Change:
    return Change(
        person,
        lab,
        _moment(at),
        _moment(last_seen),
        seen_by,
        _moment(receipt) if receipt else None,
        _CHECKS.decode(checks),
    )


def _text(moment: datetime) -> str:
    """A moment as it sorts."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
