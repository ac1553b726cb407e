"""Which process something was left by: a process that is killed leaves what only a later one can
take away."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

OWNER = "cahier-kubernetes/processus"
"""Annotation of what is there for a moment only: the mark of the process that is to take it
away."""

VARIABLE = "CAHIER_PROCESSUS"
"""The same, in the environment of the programs that we start."""

_SAME_START = 2.0  # seconds between two readings of when a process began


@cache
def _machine() -> str:
    """What tells this machine since it started, or this container, from all others: a process has a
    number in each."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        told = f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        import psutil  # late, as below: most commands leave nothing behind

        told = f"{platform.node()} {psutil.boot_time():.0f}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


@cache
def mark() -> str:
    """The mark of this process: 40 characters at most, which a file's name and a label can bear."""
    import psutil

    return f"{_machine()}.{os.getpid()}.{psutil.Process().create_time():.0f}"


def called(start: str) -> Iterator[psutil.Process]:
    """Processes of this machine whose program has a name that starts so."""
    import psutil

    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            # all that psutil reads to make a process takes four times as long
            if sys.platform == "linux":
                name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
            else:
                name = psutil.Process(pid).name()
            if name.startswith(start):
                yield psutil.Process(pid)


def owner(annotations: Mapping[str, str]) -> str:
    """The mark that an object bears among its annotations; "" for none."""
    return annotations.get(OWNER, "")


def is_here(found: str) -> bool:
    """Whether a mark is that of a process of this machine: then `has_ended` tells."""
    return found.count(".") == 2 and found.partition(".")[0] == _machine()


def has_ended(found: str) -> bool:
    """Whether the process of a mark is surely no more. Of another machine's, nobody here can
    tell."""
    if not is_here(found):
        return False
    import psutil

    _, pid, start = found.split(".")
    try:
        process = psutil.Process(int(pid))
        reused = abs(process.create_time() - float(start)) > _SAME_START
        return reused or process.status() == psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return False
    except (psutil.NoSuchProcess, ValueError):
        return True
