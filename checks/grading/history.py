"""What a class has proven, and when: a file of the teacher's, which grading and the board write.

One row a person, lab and change. A row is there whole or not at all, whoever is killed, and two
programs may write at once. Times are the cluster's: the API server's clock for what was looked at,
and that of its own record for a receipt (checks/sources/receipts.py).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self, get_args

import msgspec

from checks.decoding import prepared
from checks.errors import CahierError
from checks.grading.results import Points, Proof
from checks.places import history_of
from checks.verdict import Status

APPLICATION = 0x4361486E
"""What SQLite keeps in a file's header to tell whose it is."""
SCHEMA = 1
_WAIT = 30.0  # seconds for another writer's turn, which lasts a few milliseconds
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
        return sum((Fraction(one.points) for one in self.checks.values()), Fraction())

    @property
    def points_seen(self) -> Fraction:
        """What no receipt is needed for."""
        return sum(
            (Fraction(one.points) for one in self.checks.values() if one.proof != "receipt"),
            Fraction(),
        )


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


class History:
    """An open history; to be used from any thread, and closed (it is a context manager)."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, made when missing, for its owner's eyes only; None: one that nothing is
        left of. Raises CahierError."""
        self.path = path
        self._turn = threading.Lock()
        if path is not None:
            self._own(path)
        with self._told():
            self._base = sqlite3.connect(
                path or ":memory:", timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self._base.close()
            raise

    def _own(self, path: Path) -> None:
        """Make the file where there is none. Raises CahierError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives this mode to all
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._base.close()

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
        told = msgspec.json.encode(dict(sorted(checks.items()))).decode()
        moment, vouched = _text(at), _text(receipt) if receipt else ""
        with self._turn, self._told(), self._transaction():
            before = self._base.execute(
                "SELECT id, checks, receipt FROM changes WHERE person = ? AND lab = ? AND at <= ?"
                " ORDER BY at DESC, id DESC LIMIT 1",
                (person, lab, moment),
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
                (person, lab, moment, moment, seen_by, vouched, told),
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

    def _changes(self, where: str, values: Sequence[str]) -> Sequence[Change]:
        with self._turn, self._told():
            rows = self._base.execute(
                "SELECT person, lab, at, last_seen, seen_by, receipt, checks FROM changes "
                f"{where} ORDER BY at, id",
                values,
            ).fetchall()
            return [_change(*row) for row in rows]

    def _prepare(self) -> None:
        """See whose file it is, and make its table. Raises CahierError, sqlite3.Error."""
        application, schema = self._header()
        if application == APPLICATION and schema > SCHEMA:
            raise CahierError(
                f"L’historique {self.path} vient d’une version plus récente du cahier.",
                f"Mettez le cahier à jour sur ce poste. {_ELSEWHERE}",
            )
        if (application, schema) != (APPLICATION, SCHEMA):
            with self._transaction():
                self._create()
        if self.path is not None:
            self.path.chmod(0o600)  # it may have been copied here
        self._patiently("PRAGMA journal_mode = WAL")  # where it cannot be, what is kept is safe too
        self._base.execute("PRAGMA synchronous = FULL")

    def _create(self) -> None:
        """Make the table, unless somebody has just made it. Raises CahierError, sqlite3.Error."""
        header = self._header()
        if header == (APPLICATION, SCHEMA):
            return
        if any(header) or self._base.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            raise self._foreign()
        self._base.execute(
            "CREATE TABLE changes ("
            "id INTEGER PRIMARY KEY, person TEXT NOT NULL, lab TEXT NOT NULL, at TEXT NOT NULL, "
            "last_seen TEXT NOT NULL, "
            f"seen_by TEXT NOT NULL CHECK (seen_by IN {get_args(SeenBy)}), "
            "receipt TEXT NOT NULL, checks TEXT NOT NULL, "
            "UNIQUE (person, lab, at, checks, receipt)) STRICT"
        )
        self._base.execute(f"PRAGMA application_id = {APPLICATION}")
        self._base.execute(f"PRAGMA user_version = {SCHEMA}")

    def _header(self) -> tuple[int, int]:
        application, schema = (
            int(self._patiently(f"PRAGMA {name}")) for name in ("application_id", "user_version")
        )
        return application, schema

    def _patiently(self, statement: str) -> Any:
        """The first value of a statement that SQLite does not always wait for by itself."""
        end = time.monotonic() + _WAIT
        while True:
            try:
                return self._base.execute(statement).fetchone()[0]
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else writes meanwhile."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite complains about, as an error of ours."""
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
                raise self._foreign() from error
            raise self._unusable(str(error)) from error
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise self._unusable(str(error)) from error

    def _foreign(self) -> CahierError:
        return CahierError(
            f"{self.path} n’est pas un historique du cahier : il a été laissé tel quel.",
            _ELSEWHERE,
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
