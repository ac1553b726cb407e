"""What a command loads before it answers: modules are counted, not milliseconds, which a busy
machine stretches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.pretend_api import Answers, pretend

_HEAVY = {"cryptography", "dateutil", "kubernetes", "oauthlib", "pydantic", "requests", "websocket"}
"""Packages that take longer to load than most commands take to answer."""

_OF_A_NOTEBOOK = {"IPython", "checks.notebook", "checks.render.card", "xml.etree.ElementTree"}

_RUN = """
import json, sys
from checks.cli import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code or 0, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(
    words: Sequence[str], home: Path, kubeconfig: Path | None = None
) -> tuple[int, set[str]]:
    """The exit code of a command, and all the modules that it has loaded."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home),
        "KUBECONFIG": str(kubeconfig or ""),
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, set(modules)


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    ("words", "most", "besides"),
    [
        (["--help"], 265, {"attr", "markdown_it", "psutil", "pygments", "urllib3", "yaml"}),
        ([], 330, {"attr", "markdown_it", "psutil", "pygments", "urllib3"}),
        (["lister"], 330, {"attr", "markdown_it", "psutil", "pygments", "urllib3"}),
    ],
    ids=["--help", "alone", "lister"],
)
def test_a_command_that_asks_nothing_loads_little(
    words: list[str], most: int, besides: set[str], tmp_path: Path
) -> None:
    code, modules = loaded(words, tmp_path)
    assert code == 0
    assert not packages(modules) & (_HEAVY | besides)
    assert not modules & _OF_A_NOTEBOOK
    assert len(modules) <= most


@pytest.mark.parametrize("lab", ["tp1", "tp2", "tp3", "tp6"])
def test_a_verification_that_enters_no_pod_loads_no_client_library(
    lab: str, tmp_path: Path
) -> None:
    with pretend(tmp_path, Answers()) as server:
        words = ["verifier", lab, *(["--collegue", "user-bob"] if lab == "tp6" else [])]
        code, modules = loaded(words, tmp_path, server.kubeconfig(tmp_path / "config"))
    assert code in (1, 3)
    assert not packages(modules) & _HEAVY
    assert not modules & _OF_A_NOTEBOOK
    assert len(modules) <= 490
