"""One command at a time, on every operating system: the system lets go of a lock when its process
ends, however."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

_WAIT_SECONDS = 0.1
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # Windows says the last two


@contextlib.contextmanager
def in_turn(path: Path, waiting: AbstractContextManager[object]) -> Iterator[None]:
    """Hold the lock `path`, made when missing; another process is waited for within the context
    `waiting`.

    Raises OSError where no lock can be had.
    """
    with _opened(path) as descriptor:
        if not _take(descriptor):
            with waiting:
                while not _take(descriptor):
                    time.sleep(_WAIT_SECONDS)
        yield


@contextlib.contextmanager
def at_once(path: Path, busy: Exception) -> Iterator[None]:
    """Hold the lock `path`, made when missing. Raises `busy` when another process does.

    Raises OSError where no lock can be had.
    """
    with _opened(path) as descriptor:
        if not _take(descriptor):
            raise busy
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Take the lock if it is free. Raises OSError where there is no such thing (some network
    drives)."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True
