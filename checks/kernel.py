"""The notebook whose cell shows what a command writes, where there is one.

A kernel runs commands on a pseudo-terminal that no terminal reads: colours, and a line that turns,
would stay in the cell as they were written. It shows a page of HTML instead, whose file a line
announces.
"""

from __future__ import annotations

import os
import sys

ANNOUNCED = "CAHIER_CARTES"
"""Variable by which `checks.notebook` says how the line of a page begins."""
_CAPABILITIES = "NOTEBOOK_BASH_KERNEL_CAPABILITIES"
_BASH = "bash_kernel: saved html data to: "  # bash_kernel/display.py, as _CAPABILITIES
_OF_IPYTHON = {"TERM": "xterm-color", "PAGER": "cat", "GIT_PAGER": "cat", "CLICOLOR_FORCE": "1"}
"""What `init_environment` of ipykernel/zmqshell.py sets, whatever has started the kernel."""


def reads() -> bool:
    """Whether a cell shows what this process writes."""
    # jupyter_client/launcher.py gives the last one to every kernel that it starts
    started = {ANNOUNCED, _CAPABILITIES, "JPY_PARENT_PID"}.intersection(os.environ)
    return bool(started) or _OF_IPYTHON.items() <= os.environ.items()


def shows_pages() -> bool:
    """Whether it shows, in place of a line, the page that the line announces."""
    return bool(_beginning())


def announced(page: str) -> str:
    """The line, to be written as it is, for which the cell shows this page and removes its file.

    Raises OSError where the file cannot be written.
    """
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix="cahier.", suffix=".html")  # mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(page)
    return f"{_beginning()}{name}\n"


def _beginning() -> str:
    """What such a line begins with; "" where nobody would read it (`cahier … > fichier`)."""
    given = os.environ.get(ANNOUNCED, "")
    if given:
        return given
    kinds = os.environ.get(_CAPABILITIES, "").split(",")
    return _BASH if "html" in kinds and sys.stdout.isatty() else ""
