"""`cahier` typed in this process: Python's start is most of a command's time, and some tests type thousands."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.cli import main


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


def typed(command: Sequence[str], kubeconfig: Path) -> Run:
    """`cahier` with these words and this configuration. What it lets through is a traceback, as in a terminal."""
    out, err = io.StringIO(), io.StringIO()
    words, environment, code = sys.argv, dict(os.environ), 1
    sys.argv = ["cahier", *command]
    os.environ["KUBECONFIG"] = str(kubeconfig)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception:
        traceback.print_exc(file=err)
    finally:
        sys.argv = words
        os.environ.clear()
        os.environ.update(environment)
    return Run(code, out.getvalue(), err.getvalue())
