"""A terminal in which a page's commands are typed, as a person would: one at a time, some left
running."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pexpect

from checks.render.console import Command

_PROMPT = re.compile("\x02(\\d+)\x02")
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
_COMMAND_SECONDS = 180.0
_SIZE = (200, 250)  # rows, columns: nothing is folded, no pager opens


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code; None while it is still running."""

    output: str
    code: int | None


class Terminal:
    """One shell on a pseudo-terminal."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, quiet_seconds: float
    ) -> None:
        """`quiet_seconds`: how long a command that has shown what was expected may go on before it
        is left running."""
        plain = {"TERM": "dumb", "NO_COLOR": "1", "PAGER": "cat", "PS1": "\x02$?\x02", "PS2": ""}
        self._shell: pexpect.spawn[str] = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile", "--noediting"],
            cwd=str(folder),
            env={**environment, **plain},
            encoding="utf-8",
            echo=False,
            dimensions=_SIZE,
        )
        self._shell.expect(_PROMPT, timeout=10)
        self._busy = False
        self._quiet_seconds = quiet_seconds

    def type(self, command: Command) -> Answer:
        """Type `command`; what it printed once it ended, or once it shows what is expected and goes
        on.

        A command left running before is interrupted first (Ctrl-C). A command that neither ends nor
        shows what is expected within three minutes is interrupted, its exit code None.
        """
        if self._busy:
            self.interrupt()
        self._shell.sendline(command.typed)
        deadline = time.monotonic() + _COMMAND_SECONDS
        while time.monotonic() < deadline:
            try:
                self._shell.expect(_PROMPT, timeout=self._quiet_seconds)
            except pexpect.TIMEOUT:
                shown = _plain(self._shell.before or "")
                if command.tells and matches(command.expected, shown):
                    break
                continue
            prompt = self._shell.match
            return Answer(
                _plain(self._shell.before or ""),
                int(prompt[1]) if isinstance(prompt, re.Match) else None,
            )
        self._busy = True
        return Answer(_plain(self._shell.before or ""), None)

    def interrupt(self) -> None:
        """Ctrl-C, until the prompt is back."""
        for _ in range(3):
            self._shell.sendintr()
            with contextlib.suppress(pexpect.TIMEOUT):
                self._shell.expect(_PROMPT, timeout=5)
                break
        self._busy = False

    def close(self) -> None:
        """End the shell and what it runs."""
        if self._busy:
            with contextlib.suppress(pexpect.EOF):
                self.interrupt()
        self._shell.close(force=True)


def matches(expected: str, shown: str) -> bool:
    """Whether `shown` is what the page expects: « ... » stands for anything, runs of blanks count
    as one."""
    parts = (re.escape(" ".join(part.split())) for part in expected.split("..."))
    return re.fullmatch(" ?.* ?".join(parts), " ".join(shown.split())) is not None


def _plain(text: str) -> str:
    return _STYLE.sub("", text)
