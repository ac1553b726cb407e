"""An SQLite file of the teacher's beside a class's list: for its owner's eyes only, written by
several programs at once, whole whoever is killed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec

from checks.errors import CahierError

_WAIT = 30.0  # seconds for another writer's turn, which lasts a few milliseconds


class OwnFile(ABC):
    """An open file; to be used from any thread, and closed (it is a context manager)."""

    application: ClassVar[int]
    """What SQLite keeps in a file's header to tell whose it is."""
    schema: ClassVar[int]
    """The version of its table."""
    table: ClassVar[str]
    """The statement that makes it."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, made when missing; None: one that nothing is left of. Raises
        CahierError."""
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

    @abstractmethod
    def _foreign(self) -> CahierError:
        """It was made by another program."""

    @abstractmethod
    def _newer(self) -> CahierError:
        """It was made by a version to come."""

    @abstractmethod
    def _unusable(self, why: str) -> CahierError:
        """It cannot be read, or written."""

    def _prepare(self) -> None:
        """See whose file it is, and make its table. Raises CahierError, sqlite3.Error."""
        application, schema = self._header()
        if application == self.application and schema > self.schema:
            raise self._newer()
        if (application, schema) != (self.application, self.schema):
            with self._transaction():
                self._create()
        if self.path is not None:
            self.path.chmod(0o600)  # it may have been copied here
        self._base.execute("PRAGMA synchronous = FULL")

    def _create(self) -> None:
        """Make the table, unless somebody has just made it. Raises CahierError, sqlite3.Error."""
        header = self._header()
        if header == (self.application, self.schema):
            return
        if any(header) or self._base.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            raise self._foreign()
        self._base.execute(self.table)
        self._base.execute(f"PRAGMA application_id = {self.application}")
        self._base.execute(f"PRAGMA user_version = {self.schema}")

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
