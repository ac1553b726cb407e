"""What a command costs: elapsed time, processor time and memory, its own children included."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

import msgspec

_UNIT = 1 if sys.platform == "darwin" else 1024  # of `ru_maxrss`, in bytes


class Cost(msgspec.Struct, frozen=True):
    """Seconds elapsed, seconds of processor, and the largest of the processes, in MiB."""

    wall: float
    processor: float
    memory: float


class Run(msgspec.Struct, frozen=True):
    """A command that has ended: what it cost, its exit code, what it printed."""

    cost: Cost
    code: int
    output: str


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end, its standard output and error together. POSIX only."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            _pid, status, usage = os.wait4(process.pid, 0)  # the descendants that it has waited for are in `usage`
        except BaseException:
            process.terminate()
            process.wait()
            raise
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for: nothing is left to reap
        said.seek(0)
        cost = Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT / 2**20)
        return Run(cost, process.returncode, said.read())


def median(costs: Sequence[Cost]) -> Cost:
    """The middle of several measures, each figure by itself."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.processor for cost in costs),
        statistics.median(cost.memory for cost in costs),
    )
