"""Another program, run for so long at most, with all that it started."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

import psutil


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    *,
    interactive: bool = False,
) -> subprocess.CompletedProcess[str]:
    """What it answered. An interactive one may ask questions of this terminal: its standard error
    is shown there.

    Raises OSError and ValueError where it cannot be started, and subprocess.TimeoutExpired.
    """
    with subprocess.Popen(
        words,
        env=environment,
        stdin=None if interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if interactive else subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            output, complaint = process.communicate(timeout=seconds)
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(words, process.returncode, output, complaint or "")


def _end(process: subprocess.Popen[str]) -> None:
    """End the program and what it started: a child that keeps its output open would be waited
    for."""
    try:
        family = psutil.Process(process.pid)
        members = [*family.children(recursive=True), family]
    except psutil.NoSuchProcess:
        return
    for member in members:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
