"""What a command costs: elapsed time, processor time and memory, its own children included."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

import msgspec

_UNIT = 1 if sys.platform == "darwin" else 1024  # of `ru_maxrss`, in bytes

# A process that Linux starts is charged, for its largest size, with that of the one that starts it:
# a small Python stands in between, and tells what its only child has cost.
_WITNESS = """
import os, signal, sys, time
began = time.perf_counter()
command = sys.argv[2:]
pid = os.posix_spawnp(command[0], command, os.environ)
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
status, usage = os.wait4(pid, 0)[1:]  # the descendants that it has waited for are in `usage`
cost = time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
os.write(int(sys.argv[1]), " ".join(map(str, cost)).encode())
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
"""


class Cost(msgspec.Struct, frozen=True):
    """Seconds elapsed, seconds of processor, and the largest of the processes, in MiB."""

    wall: float
    processor: float
    memory: float


class Run(msgspec.Struct, frozen=True):
    """A command that has ended: what it cost, its exit code (128 + N after signal N), what it
    printed."""

    cost: Cost
    code: int
    output: str


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end, its standard output and error together. POSIX only."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        tempfile.TemporaryFile() as told,
    ):
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WITNESS, str(told.fileno()), *command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            pass_fds=[told.fileno()],
        )
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        said.seek(0)
        told.seek(0)
        output = said.read()
        try:
            wall, processor, largest = map(float, told.read().split())
        except ValueError:
            raise RuntimeError(f"{command[0]} could not be measured: {output}") from None
        return Run(Cost(wall, processor, largest * _UNIT / 2**20), code, output)


def median(costs: Sequence[Cost]) -> Cost:
    """The middle of several measures, each figure by itself."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.processor for cost in costs),
        statistics.median(cost.memory for cost in costs),
    )
