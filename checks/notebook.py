"""The workbook in a notebook of Python: `%load_ext checks.notebook`, then `%cahier verifier tp5`;
or `from checks.notebook import verifier`, then `verifier("tp5")`.

The command is the one of a terminal, in a process of its own. What it writes is shown as it comes,
a verdict as a card; outside a notebook, it writes where Python does.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from checks import kernel

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_PROGRAM = "import sys; sys.argv[0] = 'cahier'; from checks.cli import main; main()"
_QUIET_SECONDS = 2.0  # in which a command that was interrupted too ends by itself
_LAST_SECONDS = 20.0  # for one that was not: it has things to take away


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What `%load_ext` calls."""

    def magic(line: str) -> None:
        """Lance « cahier » : %cahier verifier tp5."""
        from IPython.utils.process import arg_split  # type: ignore[attr-defined]

        code = cahier(*arg_split(line, posix=True))
        shell.user_ns["_exit_code"] = code  # as after « !command »

    shell.register_magic_function(magic, "line", "cahier")  # type: ignore[arg-type]


def verifier(lab: str, *options: str) -> None:
    """`cahier verifier LAB OPTIONS`: `verifier("tp5", "--collegue", "user-alice")`."""
    cahier("verifier", lab, *options)


def cahier(*words: str) -> int:
    """Run a command; its exit code."""
    command = [sys.executable, "-u", "-c", _PROGRAM, *words]
    if not _in_notebook():
        return subprocess.run(command, check=False).returncode
    begins = f"carte {secrets.token_hex(16)} : "  # no other program can write it
    with subprocess.Popen(
        command,
        env={**os.environ, kernel.ANNOUNCED: begins},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            _show(process, begins)
        except KeyboardInterrupt:
            _interrupt(process)
            _show(process, begins)
    return process.returncode


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def _show(process: subprocess.Popen[str], begins: str) -> None:
    from IPython.display import HTML, display

    for line in process.stdout or ():
        if line.startswith(begins):
            file = Path(line.removeprefix(begins).rstrip("\n"))
            display(HTML(file.read_text(encoding="utf-8")))  # type: ignore[no-untyped-call]
            file.unlink()
        else:
            print(line, end="")


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Have the command end; a kernel's interruption reaches it, or the kernel alone."""
    try:
        process.wait(_QUIET_SECONDS)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
