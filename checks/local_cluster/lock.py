"""One `creer` or `supprimer` at a time, on every operating system."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from checks.local_cluster.progress import Progress

_WAIT_SECONDS = 0.1


@contextlib.contextmanager
def alone(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock `path`; the system lets go of it when the process ends, however it ends.

    Waiting for another process is shown as a step of `progress`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(descriptor):
            with progress("Une autre commande « cahier cluster » est en cours : attente", 60):
                while not _take(descriptor):
                    time.sleep(_WAIT_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Take the lock if it is free."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
