"""`cahier` typed in this process: Python's start is most of a command's time, and some tests type
thousands."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.cli import main
from checks.errors import CahierError
from checks.stage import Person, run_in_shell


@dataclass(frozen=True)
class Run:
    """What a command wrote, and how it ended."""

    code: int
    said: str
    complained: str

    @property
    def verdict(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.said)
        return found


def typed(
    command: Sequence[str],
    kubeconfig: Path | str | None,
    *,
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Run:
    """`cahier` with these words and this configuration. What it lets through is a traceback, as in
    a terminal.

    `environment`: the whole of it; `folder`: where one types, here by default.
    """
    out, err = io.StringIO(), io.StringIO()
    words, before, code = sys.argv, dict(os.environ), 1
    garbage = gc.get_threshold()  # a command of its own would end before garbage matters
    given = {**environment, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
    sys.argv = ["cahier", *command]
    _become(given)
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            contextlib.chdir(folder or Path.cwd()),
        ):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception:
        traceback.print_exc(file=err)
    finally:
        sys.argv = words
        gc.set_threshold(*garbage)
        _become(before)
    return Run(code, out.getvalue(), err.getvalue())


def _become(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # asked again of the environment


_SHELL = re.compile(r"[|&;<>$(){}*?`~#\\\n]")


def without_a_shell(command: str, person: Person, folder: Path) -> None:
    """A command of a lab, as `Stage` runs it: ours are typed in this process, where they need no
    shell. Raises CahierError."""
    if not command.startswith("cahier ") or _SHELL.search(command):
        run_in_shell(command, person, folder)
        return
    done = typed(shlex.split(command)[1:], None, environment=person.environment, folder=folder)
    if done.code:
        raise CahierError(f"« {command} » a échoué : {(done.complained or done.said).strip()}")
