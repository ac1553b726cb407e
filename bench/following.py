"""How soon the board of a class shows a change, and what it asks of the cluster meanwhile."""

from __future__ import annotations

import os
import queue
import re
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from checks.errors import CahierError

_BEGINS = 1800.0  # seconds for everybody to be looked at once
_SEEN = 60.0  # seconds for one change
_CALM = 2.0  # seconds between two changes
_REQUEST = re.compile(r"urllib3\.connectionpool:.* HTTP/1\.1\" \d")

Change = Callable[[str, bool], None]
"""Make somebody's pod ready, or not."""


class Followed(msgspec.Struct, frozen=True):
    """A class that was followed. Seconds until everybody was looked at, then of each change until
    it was shown; requests in a second, at most (of ten seconds) and on the whole once it is calm;
    the memory of the program at most, in MiB."""

    learners: int
    begins: float
    median: float
    worst: float
    requests_most: float
    requests_calm: float
    memory: float


@dataclass
class _Board:
    process: subprocess.Popen[str]
    moves: queue.SimpleQueue[tuple[float, str]] = field(default_factory=queue.SimpleQueue)
    requests: list[float] = field(default_factory=list)
    memory: float = 0.0

    def hear(self) -> None:
        """Read the lines of those who move."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.moves.put((time.monotonic(), line))

    def count(self) -> None:
        """Read what its HTTP library tells of each request."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if _REQUEST.search(line):
                self.requests.append(time.monotonic())

    def weigh(self) -> None:
        """Look at its size now and then."""
        program = psutil.Process(self.process.pid)
        while self.process.poll() is None:
            try:
                self.memory = max(self.memory, program.memory_info().rss / 2**20)
            except psutil.Error:
                return
            time.sleep(0.2)

    def move(self, who: str, seconds: float) -> float:
        """When a line tells of somebody. Raises CahierError."""
        until = time.monotonic() + seconds
        while True:
            try:
                moment, line = self.moves.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise CahierError(f"Le tableau n’a rien dit de {who}.") from None
            if who in line:
                return moment


def follow(
    roster: Path, kubeconfig: Path, names: Sequence[str], movers: Sequence[str], change: Change
) -> Followed:
    """Follow a class, some of whom change one after the other. Raises CahierError."""
    with _begun(roster, kubeconfig) as board:
        began = time.monotonic()
        waited = {*names}
        while waited:
            moment, line = board.moves.get(timeout=_BEGINS)
            waited -= {name for name in waited if name in line}
        begins = moment - began
        delays = []
        calm_from = time.monotonic()
        for name in movers:
            for ready in (False, True):
                time.sleep(_CALM)
                changed = time.monotonic()
                change(name, ready)
                delays.append(board.move(name, _SEEN) - changed)
        lasted = time.monotonic() - calm_from
        calm = sum(moment >= calm_from for moment in board.requests) / lasted
        return Followed(
            learners=len(names),
            begins=begins,
            median=statistics.median(delays),
            worst=max(delays),
            requests_most=_busiest(board.requests),
            requests_calm=calm,
            memory=board.memory,
        )


@contextmanager
def _begun(roster: Path, kubeconfig: Path) -> Iterator[_Board]:
    words = ["cahier", "--debug", "classe", "suivre", str(roster), "--terminal"]
    process = subprocess.Popen(
        [*words, "--kubeconfig", str(kubeconfig)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "400"},
    )
    board = _Board(process)
    for read in (board.hear, board.count, board.weigh):
        threading.Thread(target=read, daemon=True).start()
    try:
        yield board
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _busiest(moments: Sequence[float]) -> float:
    """Requests in a second, in the ten seconds that had most of them."""
    return max(
        (sum(one <= other < one + 10 for other in moments) / 10 for one in moments), default=0.0
    )
