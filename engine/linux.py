"""The few calls that exist on Linux only, so that every module can be imported anywhere."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_CAPABILITIES = {12: "CAP_NET_ADMIN", 18: "CAP_SYS_CHROOT", 21: "CAP_SYS_ADMIN", 27: "CAP_MKNOD"}


def is_here() -> bool:
    """Whether this is Linux."""
    return sys.platform == "linux"


def is_root() -> bool:
    """Whether we have root's identity, if not all of root's rights."""
    return sys.platform == "linux" and os.geteuid() == 0


def missing_capabilities() -> list[str]:
    """Which of the rights that the engine cannot do without are not held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return [name for bit, name in _CAPABILITIES.items() if not held & 1 << bit]
    return []


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a program that leads a session of its own, and what it started."""
    if sys.platform == "linux":
        import signal

        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def unix_socket() -> socket.socket:
    """A socket for an address in the file system."""
    if sys.platform == "linux":
        return socket.socket(socket.AF_UNIX)
    raise OSError("no Unix sockets here")


def count_open(target: str) -> int:
    """How many open files of the machine's processes lead to that."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            for descriptor in folder.iterdir():
                with contextlib.suppress(OSError):
                    count += str(descriptor.readlink()) == target
    return count


def kill(pid: int) -> None:
    """Ends one process, if it is still there."""
    if sys.platform == "linux":
        import signal

        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Lock:
    """A lock on an open file: the system lets go of it when the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, *, wait: bool) -> bool:
        """Takes it; without waiting, only if it is free."""
        if sys.platform == "linux":
            import fcntl

            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                return False
        return True


@contextlib.contextmanager
def lock(path: Path) -> Iterator[Lock]:
    """Gives the lock of that file, not taken yet; it is let go of on leaving."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        yield Lock(file.fileno())
